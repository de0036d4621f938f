"""A study: many points, each measured by one method after the other. Sweeps, regime maps, ensembles and evaluations are studies.

points.py     a point, which is called, and what came out of it; a study, which makes its points and knows what they fill
batches.py    points of one form as one compiled program, on all local devices
computed.py   points as they come: made one by one, computed in batches
engines.py    where that happens: this process, workers of Dask, jobs of SLURM; a key of the task's config
workers.py    the engines at work
conduct.py    a study in its folder: what is finished is on disk, and is never computed again
"""

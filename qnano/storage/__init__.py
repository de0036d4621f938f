"""Where results live: the folder of a run (`folder`) and the labelled arrays in it (`store`). Nothing here imports JAX."""

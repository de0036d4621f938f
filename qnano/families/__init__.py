"""The model families: what moves, how it starts, what follows it, what is measured, how it is built and drawn."""

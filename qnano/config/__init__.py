"""The grammar of a config: typed keys and what must hold between them. Nothing here imports JAX: a wrong key is told at once."""

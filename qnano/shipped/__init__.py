"""Weights that come with qnano: `products.eqx`, a learned closure of TD2RDM, made by `scripts/train_products.py`."""

import os
from pathlib import Path

SHIPPED = "shipped"


def located(weights: str) -> Path:
    """The file that a config means; the word `shipped` stands for the one that comes with qnano."""
    return Path(__file__).with_name("products.eqx") if weights == SHIPPED else Path(os.path.expanduser(weights))

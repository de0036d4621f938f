"""Numbers from outside: what is taken, and the words for what is not."""

import jax
import numpy as np
import pytest

from qnano.border import numbers, shown


@pytest.mark.parametrize(
    ("value", "rule", "words"),
    [
        ("strong", {}, "U: got 'strong'; must be finite real numbers"),
        (True, {"shape": ()}, "U: got true; must be a finite real number"),
        (None, {}, "U: got nothing; must be finite real numbers"),
        ([1, [2]], {}, "U: got [1, [2]]; must be finite real numbers"),
        (1j, {}, "U: got 0+1j; must be finite real numbers"),
        ([0.0, np.nan], {"kind": "complex"}, "U: got nan; must be finite numbers"),
        (1.5, {"kind": "integer", "shape": ()}, "U: got 1.5; must be a whole number"),
        (2.0, {"shape": (), "above": 2}, "U: got 2.0; must be a finite real number above 2"),
        ([0, 5], {"kind": "integer", "least": 1, "most": 4}, "U: got 0; must be whole numbers at least 1 and at most 4"),
        (
            np.ones((2, 3)),
            {"shape": (None, 2)},
            "U: got an array of shape (2, 3) and type float64; must have shape (any, 2), not (2, 3)",
        ),
        (10**400, {}, "U: got 1000000000000000000000000000000000000...; must be finite real numbers"),
    ],
)
def test_what_is_refused(value, rule, words):
    with pytest.raises(ValueError, match="U: got") as caught:
        numbers("U", value, **rule)
    assert str(caught.value) == words.replace("0+1j", shown(1j))


@pytest.mark.parametrize("value", [1, 1.5, np.float32(2), [1, 2], np.ones((2, 2)), jax.numpy.ones(3)])
def test_what_is_taken(value):
    numbers("U", value, least=0)


def test_of_what_is_traced_shape_and_kind_are_looked_at():
    jax.jit(lambda x: numbers("U", x, shape=(2,), above=0))(np.zeros(2))
    jax.jit(lambda x: numbers("U", [x, 1.0], shape=(2,)))(0.0)
    with pytest.raises(ValueError, match="must have shape"):
        jax.jit(lambda x: numbers("U", x, shape=(3,)))(np.zeros(2))
    with pytest.raises(ValueError, match="must have shape"):
        jax.jit(lambda x: numbers("U", [x, 1.0], shape=(3,)))(0.0)
    with pytest.raises(ValueError, match="real"):
        jax.jit(lambda x: numbers("U", x))(1j)

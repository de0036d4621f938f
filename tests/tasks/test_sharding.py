"""A state over several devices."""

import jax
import jax.numpy as jnp
import numpy as np

from qnano.tasks.dynamics.sharding import shared_out


def test_devices_that_are_left_out_are_told(monkeypatch):
    """Three devices share nothing of length 5 evenly, so that one has it all; where there is but one, nothing is left out."""
    state = (jnp.arange(25.0).reshape(5, 5), jnp.zeros(()))
    one = jax.local_devices()[:1]
    for devices, told in (
        (one, None),
        (3 * one, "shared out among 1 of 3 devices: no larger number divides its first index, of 5"),
    ):
        monkeypatch.setattr(jax, "local_devices", lambda devices=devices: devices)
        shared, left_out = shared_out(state)
        assert left_out == told
        np.testing.assert_array_equal(shared[0], state[0])

"""Fields against their definitions, and the times at which they jump."""

import jax.numpy as jnp
import numpy as np

from qnano.fields import Constant, Pattern, Pulse, Quench, Ramp, Stack


def test_quench_is_sharp():
    quench = Quench(1.0, 4.0, 2.0)
    assert quench(1.999) == 1.0
    assert quench(2.0) == 4.0
    assert [float(t) for t in quench.jumps] == [2.0]


def test_ramps_start_and_end():
    for smooth in (False, True):
        ramp = Ramp(1.0, 3.0, 1.0, 2.0, smooth)
        np.testing.assert_allclose([ramp(t) for t in (0.0, 1.0, 2.0, 3.0, 9.0)], [1, 1, 2, 3, 3])
        np.testing.assert_allclose(jnp.stack(ramp.jumps), [1.0, 3.0])


def test_smooth_ramp_is_flat_at_its_ends():
    ramp = Ramp(0.0, 1.0, 0.0, 1.0, True)
    assert ramp(1e-3) < 4e-6
    assert 1 - ramp(1 - 1e-3) < 4e-6


def test_pulse_has_its_envelope():
    pulse = Pulse(np.array([0.0, 2.0]), 3.0, 1.0, 0.5, 0.3)
    t = 1.4
    want = 2 * np.exp(-(0.4**2) / (2 * 0.25)) * np.cos(3 * 0.4 + 0.3)
    np.testing.assert_allclose(pulse(t), [0.0, want])


def test_composites():
    trap = Pattern(Quench(0.5, 0.0, 1.0), np.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(trap(0.0), [0.5, 0, 0.5])
    stack = Stack((Constant(1.0), Quench(0.0, 2.0, 3.0)))
    np.testing.assert_allclose(stack(4.0), [1, 2])
    assert not stack.is_constant
    assert len(stack.jumps) == 1

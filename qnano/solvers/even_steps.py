"""Steps of a scheme that has no error estimate: equal ones between the times at which a step must end."""

import diffrax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


class EvenSteps(diffrax.AbstractStepSizeController):
    """Between neighbouring stops (output times and jumps) equal steps of at most `dt`.

    No step depends on the state, so a batch made by `vmap` goes on in step, and what a flow needs of the step alone is made once.
    """

    dt: Float[ArrayLike, ""]
    stops: Float[Array, " stop"]

    def __init__(self, dt: Float[ArrayLike, ""], times: Float[Array, " time"], jumps: Float[Array, " jump"] | None):
        self.dt = dt
        self.stops = times if jumps is None else jnp.sort(jnp.concatenate([times, jumps]))

    def wrap(self, direction):
        del direction  # times ascend
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        del terms, t1, y0, dt0, args, func, error_order
        place = jnp.sum(self.stops <= t0)
        return self._end(t0, place), place

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        del t0, y0, y1_candidate, args, y_error, error_order
        place = controller_state + (t1 >= self._stop(controller_state))
        return True, t1, self._end(t1, place), False, place, diffrax.RESULTS.successful

    def _stop(self, place):
        return self.stops[jnp.minimum(place, self.stops.size - 1)]

    def _end(self, t, place):
        stop = self._stop(place)
        count = jnp.ceil((stop - t) / self.dt - 1e-6)
        return jnp.where(count > 1, t + (stop - t) / jnp.maximum(count, 1.0), stop)

"""What a regime map asks of a machine, and what it is in words."""

from collections.abc import Iterator

from qnano.config.sizes import COMPLEX, Need, about
from qnano.families.estimates import Cost, disk_and_seconds, total
from qnano.families.estimates import needs as needs_of_experiment
from qnano.families.hubbard.needs import amplitudes
from qnano.tasks.dynamics import estimates as of_a_point
from qnano.tasks.regime_map.schema import RegimeMap
from qnano.tasks.study import engines


def needs(regimes: RegimeMap) -> Iterator[Need]:
    """What a point needs, the start of every method at every point, and the exact motion."""
    yield from needs_of_experiment(regimes)
    sites, points = regimes.model.lattice.geometry.sites, len(regimes.map.interaction) * len(regimes.map.trap)
    starts = points * (amplitudes(regimes.model) + (len(regimes.methods) - 1) * sites**4)
    text = f"{about(points)} points with {len(regimes.methods)} initial states each"
    yield "map", text, COMPLEX * starts, ""
    # the wavefunctions of a motion, and D3 with six indices at one time
    text = f"{about(regimes.time.samples)} times, at each a wavefunction that is kept"
    yield "time.samples", text, COMPLEX * (regimes.time.samples * amplitudes(regimes.model) + 4 * sites**6), ""


def cost(regimes: RegimeMap) -> Cost:
    """Some numbers at every time of every point."""
    points = len(regimes.map.interaction) * len(regimes.map.trap)
    numbers, seconds = 4 * len(regimes.methods), disk_and_seconds(regimes)[1]
    return total(needs(regimes), points * regimes.time.samples * numbers * 8.0, points * seconds)


def described(regimes: RegimeMap) -> Iterator[str]:
    axes = regimes.map
    told = f"map: {len(axes.interaction)} interactions from {axes.interaction[0]:g} to {axes.interaction[-1]:g} J, "
    told += f"{len(axes.trap)} traps from {axes.trap[0]:g} to {axes.trap[-1]:g} J"
    yield from of_a_point.described(regimes, told)


def warnings(regimes: RegimeMap) -> Iterator[str]:
    """Strangers who may run code here, and what is wrong with the experiment."""
    yield from engines.warnings(regimes)
    yield from of_a_point.warnings(regimes)

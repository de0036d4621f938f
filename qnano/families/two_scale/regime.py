"""Whether a problem on two scales may be trusted to its envelope, known before it is run."""

import math

import jax
import jax.numpy as jnp

from qnano.cgwe.balance import Balance, balance
from qnano.families.base import Regime
from qnano.families.experiment import Experiment
from qnano.families.fields import plain
from qnano.families.two_scale import schema as settings
from qnano.families.two_scale.build import TwoScale, build_shared, pair_potential, slow_potential

FLAT = 1e3  # roundings of the terms that the inverse mass is a difference of, below which it holds no digit
SOFT = 0.1  # corrector above which an envelope with a mass is no longer right to a percent


def regime(experiment: Experiment) -> Regime:
    """The cell problem's numbers, the balance of every slow potential, and what speaks against the coarse description."""
    shared = build_shared(experiment)
    model, cell = shared.model, shared.cell
    energy, length = experiment.unit("J"), experiment.unit("length")
    physical = model.units == "physical"
    if len(shared.bands) > 1:
        names = ", ".join(map(str, shared.bands))
        return Regime({"gap": (plain(cell.gap), energy)}, [f"the envelope mixes bands {names}: no mass describes it; use dirac"])
    numbers = {"gap": (plain(cell.gap), energy), "corrector length": (math.sqrt(plain(cell.metric[0, 0])), length)}
    if is_flat(shared):
        return Regime(numbers, ["the band is flat to rounding: its mass is not known, and nothing moves in it"])
    mass = 1 / plain(cell.inverse_mass[0, 0]) / model.mass_unit
    numbers = {"effective mass": (mass, "electron masses" if physical else "1"), **numbers}
    warnings = []
    if mass < 0:
        warnings.append("the mass is negative: a well for the band's particles is a hill of the potential")
    for name, found in balances(experiment, shared).items():
        numbers[f"beta of the {name}"] = (float(found.beta), "1")
        numbers[f"eps of the {name}"] = (float(found.eps), "1")
        numbers[f"time unit of the {name}"] = (float(found.time), experiment.unit("hbar/J"))
        warnings += [f"{name}: {reason}" for reason in found.reasons]
    steepest = max(math.hypot(plain(p.wavenumber), math.sqrt(0.5) / plain(p.width)) for p in shared.packets.packets)
    corrector = math.sqrt(plain(cell.metric[0, 0])) * steepest
    numbers["corrector norm at the start"] = (corrector, "1")
    if corrector > SOFT:
        other = "cgwe2 or dirac" if isinstance(model, settings.RibbonModel) else "cgwe2"
        warnings.append(f"the corrector is {corrector:.2g} > {SOFT:g}: the mass equation is not right to a percent; use {other}")
    return Regime(numbers, warnings)


def is_flat(shared: TwoScale) -> bool:
    """Whether what is left of the inverse mass is rounding: that of the other bands' part, which for a flat band is -1/m."""
    cell = jax.tree.map(jax.lax.stop_gradient, shared.cell)
    apart = jnp.abs(cell.energies - cell.energy).at[cell.band].set(jnp.inf)
    others = 2 * jnp.sum(cell.slopes[0] ** 2 / apart) / shared.hbar**2
    return float(jnp.abs(cell.inverse_mass[0, 0])) < FLAT * float(jnp.finfo(apart.dtype).eps * others)


def balances(experiment: Experiment, shared: TwoScale) -> dict[str, Balance]:
    """Of the confinement over its length, and of the interaction over that of a packet."""
    model, mass = shared.model, abs(1 / plain(shared.cell.inverse_mass[0, 0]))
    found, period = {}, plain(model.period)
    match model.confinement:
        case settings.Cosine():
            scale = plain(model.length) / (2 * math.pi)
        case settings.Well(width=width):
            scale = plain(width)
        case _:
            scale = None
    if scale is not None:
        height = plain(slow_potential(model, experiment.time.start)[0](experiment.time.end))
        found["confinement"] = balance(mass, height, scale, period, model.hbar)
    if isinstance(model, settings.CrystalModel) and (w := pair_potential(model)) is not None:
        width = max(plain(packet.width) for packet in shared.packets.packets)
        pair = model.interaction
        height = plain(pair.strength) / width if isinstance(pair, settings.Contact) else plain(w(jnp.asarray(width)))
        found["interaction"] = balance(mass, height, width, period, model.hbar)
    return found

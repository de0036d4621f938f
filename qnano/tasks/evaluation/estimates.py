"""What an evaluation asks of a machine, and what it is in words."""

from collections.abc import Iterator

from qnano.config.sizes import COMPLEX, Need, about
from qnano.families.estimates import COMPILATION, PER_SECOND, STAGES, Cost, times, total
from qnano.families.hubbard import described as of_a_system
from qnano.families.hubbard.needs import moves_three, of_a_wavefunction, of_pairs, operations, pace
from qnano.tasks.evaluation.schema import Evaluation
from qnano.tasks.study import engines
from qnano.tasks.training.estimates import quenches


def needs(evaluation: Evaluation) -> Iterator[Need]:
    """The exact trajectories, and what is held against them."""
    yield of_a_wavefunction(evaluation.model)
    yield from of_pairs(evaluation.model, evaluation.methods, [method.solver for method in evaluation.methods])
    pairs, samples, count = evaluation.model.lattice.geometry.sites**4, evaluation.time.samples, quenches(evaluation.quenches)
    text = f"{about(count)} quenches with {1 + len(evaluation.methods)} initial states of {about(pairs)} numbers each"
    yield "quenches", text, COMPLEX * count * pairs * (1 + len(evaluation.methods)), ""
    text = f"{about(samples)} samples of D2 with {about(pairs)} numbers, exact and not"
    yield "time.samples", text, 2 * COMPLEX * samples * pairs, ""
    if "hankel_dmd" in evaluation.forecasts:
        stacked = evaluation.delays * pairs
        yield "delays", f"{about(evaluation.delays)} samples of {about(pairs)} numbers", 4 * COMPLEX * samples * stacked, ""


def cost(evaluation: Evaluation) -> Cost:
    """Every quench by the exact method and all others."""
    kinds = [("exact", False, False), *((one.kind, one.is_pair, moves_three(one)) for one in evaluation.methods)]
    steps = max(evaluation.time.samples, float(evaluation.time.end) * pace(evaluation.model))
    flops = sum(operations(kind, evaluation.model, is_pair=pair, has_three=three) for kind, pair, three in kinds)
    each = len(kinds) * COMPILATION / 10 + steps * STAGES * flops / PER_SECOND
    seconds = quenches(evaluation.quenches) * each + COMPILATION * len(kinds)
    return total(needs(evaluation), 1e3 * evaluation.time.samples, seconds)


def described(evaluation: Evaluation) -> Iterator[str]:
    yield from of_a_system(evaluation.model)
    names = (*(method.name for method in evaluation.methods), *evaluation.forecasts)
    told = f"evaluation: {', '.join(names)}, on {quenches(evaluation.quenches)} quenches"
    yield f"{told}, beyond t = {evaluation.window:g} hbar/J"
    yield times(evaluation)


def warnings(evaluation: Evaluation) -> Iterator[str]:
    """Strangers who may run code here."""
    return engines.warnings(evaluation)

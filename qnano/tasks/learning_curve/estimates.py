"""What a learning curve asks of a machine, and what it is in words; `frames` has what its frames need."""

from collections.abc import Iterator

from qnano.config.sizes import Need
from qnano.families.estimates import PER_SECOND, Cost, total
from qnano.tasks.learning_curve.frames import frames_of_file, needs_of_frames, require_frames_fit
from qnano.tasks.learning_curve.schema import ExtendedXYZ, LearningCurve


def needs(curve: LearningCurve) -> Iterator[Need]:
    """What is known before a file is read."""
    yield from ((need.key, need.text, need.bytes, "") for need in needs_of_frames(curve, curve.data.extent))


def cost(curve: LearningCurve) -> Cost:
    """Features of all frames, and a fit of each model to each size and part."""
    atoms = curve.data.extent.atoms
    width = max(sum(map(curve.width, model.blocks)) for model in curve.models)
    rows = max(curve.rows(model, atoms) for model in curve.models)
    fits = len(curve.sizes) * curve.folds * len(curve.models) * float(width) ** 2 * (curve.frames * rows + width)
    seconds = 10 + (fits + 1e4 * float(curve.frames) * atoms**2) / PER_SECOND
    return total(needs(curve), 8.0 * curve.frames * width * rows, seconds)


def described(curve: LearningCurve) -> Iterator[str]:
    """Raises `InputError` for frames that cannot be used, or do not fit into memory."""
    require_frames_fit(curve)
    if isinstance(curve.data, ExtendedXYZ):
        frames_of_file(curve, curve.data)
    yield f"frames: {curve.frames} of {curve.data.kind}, {curve.test} of them for the errors"
    target = curve.target
    yield f"target: {target.kind}" + (f" of order {target.order}" if target.kind == "tensor" else " and forces" * target.forces)
    yield f"models: {', '.join(model.label for model in curve.models)}; sizes: {', '.join(map(str, curve.sizes))}"

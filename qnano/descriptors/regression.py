"""Linear regression on blocks of features, and kernels on them.

    y = C o + sum_b Phi_b w_b,        minimise |y - C o - Phi w|^2 + lambda sum_b r_b |w_b|^2

C counts the atoms of each species, whose offsets o are not penalised: they are projected out. Every block is scaled to unit
variance and has its own regularisation lambda r_b, for features of short and long range differ by orders of magnitude in what they
explain. One singular value decomposition of Phi serves all lambda; the normal or dual equations would lose half of the digits.
Everything here is NumPy on the host, once features are known; a fit's predictions are linear and differentiable.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Real

from qnano.border import numbers

Rows = Float[np.ndarray, "_ _"]  # a block of features
LAMBDAS = np.logspace(
    -26, 2, 57
)  # in units of the number of rows, at unit variance: from the digits of a double to nothing learned
RATIOS = np.logspace(-6, 6, 7)
SAME = 1e-9  # below it, relative to the largest, a singular value of the counts is 0: species that go together


class LinearFit(NamedTuple):
    """Offsets and weights, the latter for features as they come; and the regularisation of each block that was used."""

    offsets: Float[np.ndarray, " kind"]
    weights: tuple[Float[np.ndarray, " _"], ...]
    regularisation: tuple[float, ...]

    def __call__(
        self, blocks: Sequence[Float[Array | np.ndarray, "row _"]], counts: Float[Array | np.ndarray, "row kind"]
    ) -> Float[Array | np.ndarray, " row"]:
        """Predictions; JAX's arrays stay JAX's."""
        return counts @ self.offsets + sum(block @ w for block, w in zip(blocks, self.weights, strict=True))


def fit(
    blocks: Sequence[Rows],
    targets: Float[np.ndarray, " target"],
    counts: Float[np.ndarray, "count kind"],
    regularisation: Sequence[float],
) -> LinearFit:
    """The fit with lambda r_b given for each block. Raises `ValueError` where shapes do not match or numbers are not finite."""
    numbers("regularisation", regularisation, shape=(len(blocks),), above=0)
    problem = _Problem(blocks, targets, counts)
    ratios = np.asarray(regularisation, float) / regularisation[0]
    return problem.solution(problem.weights(ratios, np.array([regularisation[0]]))[:, 0], regularisation)


def cross_validated(
    blocks: Sequence[Rows],
    targets: Float[np.ndarray, " target"],
    counts: Float[np.ndarray, "count kind"],
    folds: int = 5,
    groups: Real[np.ndarray, " target"] | None = None,
) -> LinearFit:
    """The fit whose lambda and r_b predict rows that were left out best, in `folds` parts in turn.

    Ratios are chosen one block after the other, twice, lambda each time anew. Rows of one of the `groups`, such as energy and
    forces of a frame, are left out together; without groups every row is one. Raises
    `ValueError` for fewer groups than folds, and as `fit` does.
    """
    _require_finite(blocks, targets, counts)
    numbers("folds", folds, kind="integer", shape=())
    targets, counts = np.asarray(targets, float), np.asarray(counts, float)
    groups = np.arange(len(targets)) if groups is None else np.asarray(groups)
    names = np.unique(groups)
    if not 2 <= folds <= len(names):
        raise ValueError(f"folds: got {folds}; must be from 2 to {len(names)}, the number of rows or of groups of them")
    part = np.searchsorted(names, groups) % folds
    parts = []
    for k in range(folds):
        kept, left = part != k, part == k
        parts.append(
            (
                _Problem([x[kept] for x in blocks], targets[kept], counts[kept]),
                [x[left] for x in blocks],
                targets[left],
                counts[left],
            )
        )

    def errors(ratios: Float[np.ndarray, " block"]) -> Float[np.ndarray, " lambda"]:
        total = np.zeros(len(LAMBDAS))
        for problem, left, known, composition in parts:
            weights = problem.weights(ratios, LAMBDAS)
            offsets = problem.offsets(weights)
            found = composition @ offsets + problem.scaled(left) @ weights
            total += np.sum((found - known[:, None]) ** 2, axis=0)
        return total

    ratios, best, choice = np.ones(len(blocks)), np.inf, LAMBDAS[-1]
    for k, trial in _trials(len(blocks)):
        tried = ratios.copy()
        tried[k] = trial
        found = errors(tried)
        if found.min() < best:
            best, ratios, choice = found.min(), tried, LAMBDAS[found.argmin()]
    return fit(blocks, targets, counts, tuple(choice * ratios))


def _trials(blocks: int) -> Iterator[tuple[int, float]]:
    """All ratios of each block but the first, twice."""
    yield 0, 1.0
    for _ in range(2 if blocks > 2 else 1):
        for k in range(1, blocks):
            for ratio in RATIOS:
                yield k, ratio


class _Problem:
    """Features without what the composition explains, scaled by block."""

    def __init__(self, blocks: Sequence[Rows], targets: Float[np.ndarray, " target"], counts: Float[np.ndarray, "count kind"]):
        _require_finite(blocks, targets, counts)
        blocks = [np.asarray(block, float) for block in blocks]  # in single precision small singular values would be noise
        rows = {len(x) for x in (*blocks, targets, counts)}
        if len(rows) != 1 or not blocks:
            raise ValueError(f"blocks: got {sorted(rows)} rows; features, targets and counts must have the same number")
        self.counts_inverse = np.linalg.pinv(np.asarray(counts, float), rtol=SAME)
        self.counts, self.targets, self.blocks = counts, targets, blocks
        features = np.concatenate(blocks, axis=1)
        free = features - counts @ (self.counts_inverse @ features)
        self.of_block = np.repeat(np.arange(len(blocks)), [x.shape[1] for x in blocks])
        self.norms = np.array(
            [np.sqrt(np.mean(np.sum(free[:, self.of_block == b] ** 2, axis=1))) or 1.0 for b in range(len(blocks))]
        )
        self.features = free / self.norms[self.of_block]
        self.rest = targets - counts @ (self.counts_inverse @ targets)

    def weights(
        self, ratios: Float[np.ndarray, " block"], lambdas: Float[np.ndarray, " lambda"]
    ) -> Float[np.ndarray, "feature lambda"]:
        """Of scaled features."""
        scale = 1 / np.sqrt(ratios[self.of_block])
        left, s, right = np.linalg.svd(self.features * scale, full_matrices=False)
        filtered = s[:, None] / (s[:, None] ** 2 + lambdas * len(self.targets)) * (left.T @ self.rest)[:, None]
        return scale[:, None] * (right.T @ filtered)

    def offsets(self, weights: Float[np.ndarray, "feature lambda"]) -> Float[np.ndarray, "kind lambda"]:
        return self.counts_inverse @ (self.targets[:, None] - self.scaled(self.blocks) @ weights)

    def scaled(self, blocks: Sequence[Float[np.ndarray, "_ _"]]) -> Float[np.ndarray, "_ feature"]:
        return np.concatenate(blocks, axis=1) / self.norms[self.of_block]

    def solution(self, weights: Float[np.ndarray, " feature"], regularisation: Sequence[float]) -> LinearFit:
        own = weights / self.norms[self.of_block]
        parts = tuple(own[self.of_block == b] for b in range(len(self.norms)))
        return LinearFit(self.offsets(weights[:, None])[:, 0], parts, tuple(map(float, regularisation)))


def _require_finite(blocks: Sequence[Rows], targets: Float[np.ndarray, " target"], counts: Float[np.ndarray, "count kind"]) -> None:
    for k, block in enumerate(blocks):
        numbers(f"blocks.{k}", block, shape=(None, None))
    numbers("targets", targets, shape=(None,))
    numbers("counts", counts, shape=(None, None))


def polynomial_kernel(
    left: Sequence[Float[np.ndarray, "_ feature"]], right: Sequence[Float[np.ndarray, "_ feature"]], power: int
) -> Float[np.ndarray, "frame_1 frame_2"]:
    """sum_(i of A) sum_(j of B) (p_i.p_j)^power between frames: features of the atoms of each, with as many columns.

    Centres of different species have no product if each has columns of its own (`of_own_species`).
    """
    numbers("power", power, kind="integer", shape=(), least=1)
    counts = [np.cumsum([0, *map(len, frames)])[:-1] for frames in (left, right)]
    products = (np.concatenate(left) @ np.concatenate(right).T) ** power
    return np.add.reduceat(np.add.reduceat(products, counts[0], axis=0), counts[1], axis=1)


def kernel_features(
    kernel: Float[np.ndarray, "known known"], between: Float[np.ndarray, "new known"]
) -> tuple[Float[np.ndarray, "known feature"], Float[np.ndarray, "new feature"]]:
    """Features whose scalar products are the kernel: ridge regression on them is kernel ridge regression.

    Those of new rows are projections on the known ones. What is below the last digit of the kernel, so half of the digits of the
    features, is lost.
    """
    numbers("kernel", kernel, shape=(None, None))
    numbers("between", between, shape=(None, len(kernel)))
    values, vectors = np.linalg.eigh(np.asarray(kernel, float))
    kept = values > len(values) * np.finfo(float).eps * values[-1]
    root = np.sqrt(values[kept])
    return vectors[:, kept] * root, between @ vectors[:, kept] / root


def tensor_kernel(
    left: Float[np.ndarray, "atom_1 mu feature"],
    right: Float[np.ndarray, "atom_2 mu feature"],
    scalars: tuple[Float[np.ndarray, "atom_1 scalar"], Float[np.ndarray, "atom_2 scalar"]],
    power: int,
) -> Float[np.ndarray, "atom_1 mu atom_2 mu"]:
    """(P_i^mu . P_j^nu) (p_i . p_j)^(power - 1): of tensors, that turns as it should, and not only linear."""
    linear = np.einsum("iaf,jbf->iajb", left, right)
    return linear * ((scalars[0] @ scalars[1].T) ** (power - 1))[:, None, :, None]


def of_own_species(
    features: Float[Array | np.ndarray, "atom feature"], species: Sequence[int], kinds: int
) -> Float[np.ndarray, "atom feature_of_kind"]:
    """Features of each atom in the columns of its species, and zeros in the others."""
    values = np.asarray(features)
    found = np.zeros((len(values), kinds, values.shape[1]))
    found[np.arange(len(values)), np.asarray(species)] = values
    return found.reshape(len(values), -1)


def kernel_fit(
    kernel: Float[np.ndarray, "row row"], targets: Float[np.ndarray, " row"], regularisation: float
) -> Float[np.ndarray, " row"]:
    """Coefficients a with which K(new, old) a predicts; `regularisation` in units of the mean of K's diagonal."""
    numbers("kernel", kernel, shape=(len(targets), len(targets)))
    numbers("targets", targets, shape=(None,))
    numbers("regularisation", regularisation, shape=(), least=0)
    shift = regularisation * np.trace(kernel) / len(kernel)
    return np.linalg.solve(kernel + shift * np.eye(len(kernel)), targets)

"""A learning curve: models with other features, fitted to ever more frames, and judged on frames that none has seen.

task: learning_curve
data: {kind: ion_gas, pairs: 32}
models:
  - {label: density, blocks: [{kind: density_density, density: {cutoff: 4.0}}]}
  - {label: multi-scale, blocks: [{kind: density_potential, density: {cutoff: 2.0}, potential: {exponent: 1}}]}
"""

from collections.abc import Iterator
from itertools import product
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.base import AbstractTask, Config, Count, FilePath, Flag, Name, NotEmpty, NotNegative, Real, require
from qnano.errors import InputError
from qnano.extended_xyz import Frame, read_frames

Length = Annotated[Real, Field(ge=1e-6, le=1e6)]
Number = Annotated[Count, Field(le=10**9)]
Radial = Annotated[Count, Field(le=24)]


class Extent(NamedTuple):
    """Of frames: the most atoms, the largest volume, the largest number of pairs of atoms by volume, and the longest sides."""

    atoms: int
    volume: float
    crowding: float
    sides: tuple[float, float, float]


def _cubes(atoms: int, smallest: float, largest: float) -> Extent:
    return Extent(atoms, largest**3, atoms**2 / smallest**3, (largest, largest, largest))


class IonGas(Config):
    """Point charges +1 and -1 at random in periodic cubes; their energies by q q / r^p, in e^2/A^p."""

    kind: Literal["ion_gas"] = "ion_gas"
    kinds: ClassVar[int] = 2
    pairs: Number = Field(32, description="ions of each sign")
    sides: tuple[Length, Length] = Field((16.0, 22.0), description="between which the cube's side is drawn, in A")
    distance: Length = Field(2.5, description="no two ions are nearer, in A")
    exponent: Annotated[Count, Field(le=6)] = Field(1, description="p of their interaction; 1 is Coulomb's")

    @model_validator(mode="after")
    def _is_possible(self):
        problems = []
        if self.sides[0] > self.sides[1]:
            problems.append(("sides", got(self.sides, "must ascend")))
        filled = 2 * self.pairs * 0.5236 * self.distance**3 / self.sides[0] ** 3
        if filled > 0.3:
            problems.append(
                ("distance", got(self.distance, f"must be smaller: spheres of that size fill {100 * filled:.0f} % (of 30)"))
            )
        require(problems)
        return self

    @property
    def extent(self) -> Extent:
        return _cubes(2 * self.pairs, *self.sides)


class PolarisableChains(Config):
    """Bent chains of polarisable atoms, 1.9 A apart; their polarisability, in A^3. The test may have longer ones."""

    kind: Literal["polarisable_chains"] = "polarisable_chains"
    kinds: ClassVar[int] = 1
    atoms: tuple[Number, Number] = Field((2, 6), description="between which the number of atoms is drawn")
    test_atoms: tuple[Number, Number] = Field((8, 16), description="likewise for the frames of the test")
    side: Length = Field(40.0, description="of the periodic cube around a chain, in A; the chain does not see its images")

    @model_validator(mode="after")
    def _is_possible(self):
        problems = [
            (key, got(x, "must ascend")) for key, x in (("atoms", self.atoms), ("test_atoms", self.test_atoms)) if x[0] > x[1]
        ]
        longest = 1.9 * max(self.atoms[1], self.test_atoms[1])
        if longest > self.side:
            problems.append(("side", got(self.side, f"must be at least {longest:g}, the longest chain")))
        require(problems)
        return self

    @property
    def extent(self) -> Extent:
        return _cubes(max(self.atoms[1], self.test_atoms[1]), self.side, self.side)


class ExtendedXYZ(Config):
    """Frames of an extended XYZ file."""

    kind: Literal["extended_xyz"] = "extended_xyz"
    path: FilePath = Field(description="the file, from the folder in which the command is given")
    energy: str = Field("energy", description="name of the energy in the file")
    forces: str = Field("forces", description="name of the forces in the file, where they are learned from")
    tensor: str | None = Field(None, description="name of a vector or symmetric tensor in the file, where that is learned")
    units: str = Field("eV", description="of the energy, or of the tensor")
    species: Annotated[tuple[str, ...], NotEmpty] = Field(description="the elements that may occur")
    nearest: Length = Field(0.3, description="atoms that are nearer to each other are an error, in A")

    @property
    def kinds(self) -> int:
        return len(self.species)

    @property
    def extent(self) -> Extent:
        """What is not known before the file is read: as if it were small."""
        return _cubes(1, 1.0, 1.0)

    def read(self, target: "Energy | Tensor") -> list[Frame]:
        """All frames of the file. Raises `InputError` where one does not have what is learned, or species that are not listed."""
        if isinstance(target, Tensor):
            found = read_frames(self.path, None, None, self.tensor)
        else:
            found = read_frames(self.path, self.energy, self.forces if target.forces else None)
        known = set(self.species)
        for frame in found:
            if unknown := sorted(set(frame.names) - known):
                rule = f"must be among {', '.join(self.species)}"
                raise InputError(f"{frame.origin}: species: {got(unknown[0], rule)}")
            tensor = frame.tensor
            if isinstance(target, Tensor) and tensor is not None and tensor.ndim != (1 if target.order == 1 else 2):
                rule = f"got {target.order} of {tensor.size} numbers; a vector has 1, a symmetric tensor 0 and 2"
                raise InputError(f"{frame.origin}: target.order: {rule}")
        return found


class Density(Config):
    """Gaussians of the atoms within a cutoff, expanded around each atom."""

    cutoff: Length = Field(default=4.0, description="in A")
    taper: Length = Field(default=0.5, description="the last part of the cutoff, over which neighbours fade, in A")
    smearing: Length = Field(default=0.5, description="standard deviation of the Gaussians, in A")
    radial: Radial = Field(default=6, description="radial functions")
    angular: Annotated[NotNegative, Field(le=6)] = Field(default=3, description="largest degree of the harmonics")
    width: Length | None = Field(default=None, description="of the radial functions, in A; if not given, they reach to the cutoff")

    @model_validator(mode="after")
    def _fades_within(self):
        if self.taper > self.cutoff:
            require([("taper", got(self.taper, f"must be at most the cutoff, {self.cutoff:g}"))])
        return self

    @property
    def b(self) -> float:
        """Width with which the highest radial function for l = 0 turns at the cutoff."""
        return self.width or self.cutoff / (4 * self.radial - 1) ** 0.5


class Potential(Config):
    """The potential 1/r^p of Gaussians at all atoms, images included, expanded around each atom."""

    exponent: Annotated[Count, Field(le=6)] = Field(default=1, description="p: 1 for charges, 6 for dispersion")
    smearing: Length = Field(default=1.0, description="standard deviation of the Gaussians, in A; costs grow with its inverse cube")
    radial: Radial = Field(default=4, description="radial functions")
    angular: Annotated[NotNegative, Field(le=6)] = Field(default=0, description="largest degree of the harmonics")
    width: Length = Field(default=0.5, description="of the radial functions, in A")
    waves: Length = Field(default=5.0, description="the sum ends at this wavenumber times the smearing")
    mesh: Length | None = Field(default=None, description="largest spacing of a mesh that is used instead of the sum, in A")

    @model_validator(mode="after")
    def _is_resolved(self):
        if self.mesh is not None and self.mesh > self.smearing:
            require(
                [("mesh", got(self.mesh, f"must be at most the smearing, {self.smearing:g}; a coarser one does not resolve it"))]
            )
        return self


class AbstractBlock(Config):
    @property
    def factors(self) -> tuple[Density | Potential, ...]:
        """rho, V, or both."""
        return tuple(getattr(self, name) for name in ("density", "potential") if hasattr(self, name))


class DensityDensity(AbstractBlock):
    """rho x rho: the short-range power spectrum."""

    kind: Literal["density_density"] = "density_density"
    density: Density = Field(Density(), description="rho")


class DensityPotential(AbstractBlock):
    """rho x V: local multipoles in the field of the far atoms."""

    kind: Literal["density_potential"] = "density_potential"
    density: Density = Field(Density(cutoff=2.0, radial=2, angular=0), description="rho")
    potential: Potential = Field(Potential(), description="V")


class PotentialPotential(AbstractBlock):
    """V x V."""

    kind: Literal["potential_potential"] = "potential_potential"
    potential: Potential = Field(Potential(), description="V")


Block = Annotated[DensityDensity | DensityPotential | PotentialPotential, Field(discriminator="kind")]


class FeatureModel(Config):
    """Blocks of features of every atom, summed over each species, each with its regularisation; or kernels of them."""

    label: Name = Field(description="name in the results")
    blocks: Annotated[tuple[Block, ...], NotEmpty] = Field(description="the features")
    power: Annotated[Count, Field(le=6)] = Field(
        1, description="1: linear; otherwise of a kernel of the features of two atoms of a species, (p.p')^power"
    )


class Energy(Config):
    """The energy, invariant and extensive."""

    kind: Literal["energy"] = "energy"
    forces: Flag = Field(
        default=False, description="also learn from forces, and report their errors; those of a frame count as its energy"
    )


class Tensor(Config):
    """A vector or symmetric tensor of a frame, by the part that turns like harmonics of one degree."""

    kind: Literal["tensor"] = "tensor"
    order: Annotated[NotNegative, Field(le=2)] = Field(
        description="0: a third of the trace; 1: a vector; 2: a tensor without trace"
    )


class LearningCurve(AbstractTask):
    """Errors of models against the number of frames that they were fitted to. Lengths in A."""

    task: Literal["learning_curve"] = Field(description="what to do")
    data: Annotated[IonGas | PolarisableChains | ExtendedXYZ, Field(discriminator="kind")] = Field(description="the frames")
    target: Annotated[Energy | Tensor, Field(discriminator="kind")] = Field(Energy(), description="what is learned")
    models: Annotated[tuple[FeatureModel, ...], NotEmpty] = Field(description="who learns")
    sizes: Annotated[tuple[Count, ...], NotEmpty] = Field((10, 20, 50, 100, 200), description="frames to learn from, ascending")
    test: Annotated[Count, Field(ge=2)] = Field(100, description="further frames, for the errors")
    folds: Annotated[Count, Field(ge=2)] = Field(5, description="parts of the cross-validation that chooses the regularisation")
    batch: Count = Field(25, description="frames that are computed together and written at once")
    precision: Literal["double", "single"] = Field("double", description="float64 or float32")
    seed: NotNegative = Field(0, description="fixes every random number")

    @model_validator(mode="after")
    def _is_consistent(self):
        problems = []
        if sorted(set(self.sizes)) != list(self.sizes):
            problems.append(("sizes", got(self.sizes, "must ascend")))
        if min(self.sizes) < self.folds:
            problems.append(("sizes", got(min(self.sizes), f"must be at least {self.folds}, the folds of the cross-validation")))
        labels = [model.label for model in self.models]
        if len(set(labels)) < len(labels):
            problems.append(("models", got(labels, "labels must differ")))
        species = getattr(self.data, "species", ())
        if len(set(species)) < len(species):
            problems.append(("data.species", got(species, "each must be named once")))
        if "frames" in labels:
            problems.append(("models", "got the label 'frames', which is that of the data"))
        require([*problems, *self._misfits()])
        return self

    def _misfits(self) -> Iterator[tuple[str, str]]:
        """Data without the target, and models that cannot learn it."""
        data, target = self.data, self.target
        has_tensor = data.kind == "polarisable_chains" or getattr(data, "tensor", None) is not None
        if isinstance(target, Tensor) and not has_tensor:
            yield "target.kind", got("tensor", "the data have none; use polarisable_chains, or name it in data.tensor")
        if isinstance(target, Energy) and data.kind == "polarisable_chains":
            yield "target.kind", got("energy", "polarisable_chains have none, only a tensor")
        if isinstance(target, Tensor) and data.kind == "polarisable_chains" and target.order == 1:
            yield "target.order", got(1, "a polarisability has only 0 and 2")
        for k, model in enumerate(self.models):
            if model.power > 1 and (isinstance(target, Tensor) or target.forces):
                yield f"models.{k}.power", got(model.power, "must be 1 for tensors and forces")
            for j, block in enumerate(model.blocks):
                left, right = block.factors[0].angular, block.factors[-1].angular
                if isinstance(target, Tensor) and left + right < target.order:
                    rule = f"degrees up to {left} and {right} make no tensor of order {target.order}"
                    yield f"models.{k}.blocks.{j}", f"{rule}; increase angular"

    @property
    def frames(self) -> int:
        """How many there are in all: those for the errors, then the others."""
        return self.test + self.sizes[-1]

    def width(self, block: Block) -> int:
        """How many features a block has, of the atoms of all species."""
        left, right = block.factors[0], block.factors[-1]
        channels = self.data.kinds * left.radial, self.data.kinds * right.radial
        products = channels[0] * channels[1]
        if self.target.kind == "tensor":
            order = self.target.order
            degrees = product(range(left.angular + 1), range(right.angular + 1))
            coupled = sum(abs(a - b) <= order <= a + b and (a + b + order) % 2 == 0 for a, b in degrees)
        else:
            coupled = min(left.angular, right.angular) + 1
            products = products if len(block.factors) > 1 else channels[0] * (channels[0] + 1) // 2
        return self.data.kinds * products * coupled

    def rows(self, model: FeatureModel, atoms: int) -> int:
        """Of features, for each frame of so many atoms: what it has targets for, or its atoms for a kernel."""
        if model.power > 1:
            return atoms
        return 2 * self.target.order + 1 if self.target.kind == "tensor" else 1 + 3 * atoms * self.target.forces

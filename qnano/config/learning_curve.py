"""A learning curve: models with other features, fitted to energies of ever more frames, and judged on frames that none has seen.

task: learning_curve
data: {kind: ion_gas, pairs: 32}
models:
  - {label: density, blocks: [{kind: density_density, density: {cutoff: 4.0}}]}
  - {label: multi-scale, blocks: [{kind: density_potential, density: {cutoff: 2.0}, potential: {exponent: 1}}]}
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Config, Count, NotEmpty, NotNegative, Real, got, require

Length = Annotated[Real, Field(gt=0)]


class IonGas(Config):
    """Point charges +1 and -1 at random in periodic cubes; their Coulomb energies, in e^2/A."""

    kind: Literal["ion_gas"] = "ion_gas"
    pairs: Count = Field(32, description="ions of each sign")
    sides: tuple[Length, Length] = Field((16.0, 22.0), description="between which the cube's side is drawn, in A")
    distance: Length = Field(2.5, description="no two ions are nearer, in A")

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


class ExtendedXYZ(Config):
    """Frames of a file; needs the extra `atoms` (ASE)."""

    kind: Literal["extended_xyz"] = "extended_xyz"
    path: str = Field(description="the file, from the folder in which the command is given")
    energy: str = Field("energy", description="name of the energy in the file")
    units: str = Field("eV", description="of that energy")
    species: Annotated[tuple[str, ...], NotEmpty] = Field(description="the elements that may occur")
    nearest: Length = Field(0.3, description="atoms that are nearer to each other are an error, in A")


class Density(Config):
    """Gaussians of the atoms within a cutoff, expanded around each atom."""

    cutoff: Length = Field(4.0, description="in A")
    taper: Length = Field(0.5, description="the last part of the cutoff, over which neighbours fade, in A")
    smearing: Length = Field(0.5, description="standard deviation of the Gaussians, in A")
    radial: Count = Field(6, description="radial functions")
    angular: Annotated[NotNegative, Field(le=6)] = Field(3, description="largest degree of the harmonics")
    width: Length | None = Field(None, description="of the radial functions, in A; if not given, they reach to the cutoff")

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

    exponent: Annotated[Count, Field(le=6)] = Field(1, description="p: 1 for charges, 6 for dispersion")
    smearing: Length = Field(1.0, description="standard deviation of the Gaussians, in A; costs grow with its inverse cube")
    radial: Count = Field(4, description="radial functions")
    angular: Annotated[NotNegative, Field(le=6)] = Field(0, description="largest degree of the harmonics")
    width: Length = Field(0.5, description="of the radial functions, in A")
    waves: Length = Field(5.0, description="the sum ends at this wavenumber times the smearing")


class DensityDensity(Config):
    """rho x rho: the short-range power spectrum."""

    kind: Literal["density_density"] = "density_density"
    density: Density = Field(Density(), description="rho")


class DensityPotential(Config):
    """rho x V: local multipoles in the field of the far atoms."""

    kind: Literal["density_potential"] = "density_potential"
    density: Density = Field(Density(cutoff=2.0, radial=2, angular=0), description="rho")
    potential: Potential = Field(Potential(), description="V")


class PotentialPotential(Config):
    """V x V."""

    kind: Literal["potential_potential"] = "potential_potential"
    potential: Potential = Field(Potential(), description="V")


Block = Annotated[DensityDensity | DensityPotential | PotentialPotential, Field(discriminator="kind")]


class FeatureModel(Config):
    """A linear model of the energy: blocks of invariants of every atom, summed over each species, each with its regularisation."""

    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(description="name in the results")
    blocks: Annotated[tuple[Block, ...], NotEmpty] = Field(description="the features")


class LearningCurve(Config):
    """Errors of models against the number of frames that they were fitted to. Lengths in A."""

    keeps_given_initial: ClassVar[bool] = False
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        description="name of the results' folder: letters, digits, dots, dashes and underscores"
    )
    task: Literal["learning_curve"] = Field(description="what to do")
    data: Annotated[IonGas | ExtendedXYZ, Field(discriminator="kind")] = Field(description="the frames")
    models: Annotated[tuple[FeatureModel, ...], NotEmpty] = Field(description="who learns")
    sizes: Annotated[tuple[Count, ...], NotEmpty] = Field((10, 20, 50, 100, 200), description="frames to learn from, ascending")
    test: Count = Field(100, description="further frames, for the errors")
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
        if "frames" in labels:
            problems.append(("models", "got the label 'frames', which is that of the data"))
        require(problems)
        return self

    @property
    def frames(self) -> int:
        """How many there are in all: those for the errors, then the others."""
        return self.test + self.sizes[-1]

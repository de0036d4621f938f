"""Every complaint about a config: its key path and its wording, one line per problem."""

import pytest

from qnano.errors import InputError
from qnano.tasks.loading import parse
from tests.config.examples import data

QUENCH = {"kind": "quench", "before": 0, "after": 4, "time": 1}
PULSE = {"kind": "pulse", "coupling": "dipole", "amplitude": 1, "frequency": 1, "centre": 0, "width": 1}
RING = {"kind": "chain", "sites": 5, "periodic": True}
ONE_EXACT = [{"kind": "exact", "solver": {"kind": "chebyshev"}}]

MODEL_KEYS = "kind, lattice, hopping, interaction, neighbour_interaction, potential, electrons"
SINGLET = "methods.0: td2rdm needs a singlet, since it propagates the up-down block alone;"

CASES = [
    # keys
    ({"model__hoping": 1}, f"model.hoping: unknown key; allowed: {MODEL_KEYS}; did you mean hopping?"),
    (
        {"initial__model": {"potentia": 1}},
        f"initial.model.potentia: unknown key; allowed: {MODEL_KEYS}; did you mean potential?",
    ),
    ({"model__lattice": {"kind": "chain"}}, "model.lattice.sites: missing; must be given"),
    (
        {"model__lattice": {"sites": 4}},
        "model.lattice.kind: missing; must be one of chain, rectangle, ladder, ribbon, bonds",
    ),
    (
        {"model__lattice__kind": "chian"},
        "model.lattice.kind: got 'chian'; must be one of chain, rectangle, ladder, ribbon, bonds; did you mean chain?",
    ),
    ({"model__kind": "ising"}, "model.kind: got 'ising'; must be one of fermi_hubbard, holstein, crystal, ribbon, particles"),
    # types
    ({"model": 3}, "model: got 3; must be a mapping"),
    ({"drive": None}, "drive: got nothing; must be a mapping"),
    ({"model__lattice__sites": 4.0}, "model.lattice.sites: got 4.0; must be a whole number"),
    ({"model__lattice__sites": "4"}, "model.lattice.sites: got '4'; must be a whole number"),
    ({"model__lattice__sites": True}, "model.lattice.sites: got true; must be a whole number"),
    ({"model__lattice__periodic": 1}, "model.lattice.periodic: got 1; must be true or false"),
    ({"model__interaction": "strong"}, "model.interaction: got 'strong'; must be a finite number"),
    ({"model__interaction": [1, 2, "x", 4]}, "model.interaction.2: got 'x'; must be a finite number"),
    ({"time__end": "late"}, "time.end: got 'late'; must be a number"),
    ({"methods": "exact"}, "methods: got 'exact'; must be a list"),
    ({"methods": [5]}, "methods.0: got 5; must be a mapping"),
    ({"name": 3}, "name: got 3; must be text"),
    # not a number, infinite, complex
    ({"model__hopping": float("inf")}, "model.hopping: got inf; must be a finite number"),
    (
        {"model__interaction": QUENCH | {"after": float("nan")}},
        "model.interaction.after: got nan; must be a finite number",
    ),
    ({"time__end": float("nan")}, "time.end: got nan; must be a finite number"),
    ({"model__interaction": "1 2"}, "model.interaction: got '1 2'; must be a finite number"),
    ({"model__interaction": "1+2j"}, "model.interaction: got 1+2j; must be real"),
    ({"model__interaction": QUENCH | {"before": "2j"}}, "model.interaction.before: got 2j; must be real"),
    # ranges
    ({"model__electrons__up": 7}, "model.electrons.up: got 7; must be between 0 and 4 (the number of sites)"),
    ({"model__electrons__down": -1}, "model.electrons.down: got -1; must be at least 0"),
    ({"time__end": -1.0}, "time.end: got -1.0; must be greater than time.start (0)"),
    ({"time__samples": 1}, "time.samples: got 1; must be at least 2"),
    (
        {"time": {"start": 1e9, "end": 1e9 + 1e-6, "samples": 101}},
        "time.samples: got 101; too many between 1e+09 and 1e+09 to be told apart",
    ),
    (
        {"time": {"start": -1e308, "end": 1e308, "samples": 3}},
        "time.samples: got 3; too many between -1e+308 and 1e+308 to be told apart",
    ),
    (
        {"time": {"start": 1e3, "end": 1e3 + 1e-2, "samples": 101}, "precision": "single"},
        "time.samples: got 101; too many between 1000 and 1000.01 in single precision",
    ),
    (
        {"model__interaction": 1e39, "precision": "single"},
        "model.interaction: got 1e+39; must be 0, or from 1.08e-19 to 9.22e+18 in size, in single precision",
    ),
    (
        {"time": {"end": 1e-50, "samples": 3}, "precision": "single"},
        "time.end: got 1e-50; must be 0, or from 1.08e-19 to 9.22e+18 in size, in single precision",
    ),
    (
        {"model__interaction": {"kind": "quench", "before": 0.0, "after": -1e200, "time": 1.0}},
        "model.interaction.after: got -1e+200; must be 0, or from 1.49e-154 to 6.7e+153 in size, in double precision",
    ),
    ({"time__samples": 10**400}, f"time.samples: got {str(10**400)[:37]}...; must be at most 9.22337e+18"),
    ({"model__interaction": QUENCH | {"time": 5}}, "model.interaction.time: got 5.0; must be at most 2 (time.end)"),
    (
        {"model__hopping": [1, 1, {"kind": "ramp", "before": 0, "after": 1, "start": 3, "duration": 1}]},
        "model.hopping.2.start: got 3.0; must be at most 2 (time.end)",
    ),
    ({"solver": {"kind": "dopri8", "rtol": 1e-15}}, "solver.rtol: got 1e-15; must be at least 1e-14 in double precision"),
    ({"solver": {"kind": "rk4", "dt": 3}}, "solver.dt: got 3.0; must be at most 2 (time.end - time.start)"),
    ({"solver": {"kind": "tsit5", "rtol": -1e-3}}, "solver.rtol: got -0.001; must be greater than 0"),
    ({"solver": {"kind": "rk4", "dt": 0}}, "solver.dt: got 0; must be greater than 0"),
    ({"drive": PULSE | {"width": 0}}, "drive.width: got 0; must be greater than 0"),
    (
        {"model__hopping": [1, 1, {"kind": "ramp", "before": 0, "after": 1, "start": 0, "duration": -1}]},
        "model.hopping.2.duration: got -1; must be greater than 0",
    ),
    (
        {"name": "../up"},
        "name: got '../up'; must be letters, digits, dots, dashes and underscores only, the first a letter or digit",
    ),
    ({"precision": "half"}, "precision: got 'half'; must be one of double, single"),
    # lengths and lattices
    (
        {"model__potential": {"kind": "values", "values": [1, 2]}},
        "model.potential.values: got 2 values; must be 4 (the number of sites)",
    ),
    ({"model__interaction": [1, 2]}, "model.interaction: got 2 values; must be 4 (the number of sites)"),
    ({"model__hopping": [1, 2]}, "model.hopping: got 2 values; must be 3 (the number of bonds)"),
    (
        {"model__lattice": {"kind": "bonds", "sites": 4, "bonds": [[0, 1], [1, 9]]}},
        "model.lattice.bonds: got [1, 9]; must be two different sites between 0 and 3",
    ),
    (
        {"model__lattice": {"kind": "rectangle", "columns": 2, "rows": 2, "periodic": True}},
        "model.lattice.periodic: got a side of 2; must be at least 3, or two bonds would join the same sites",
    ),
    (
        {"model__lattice": {"kind": "bonds", "sites": 4, "bonds": [], "positions": [[], [], [], []]}},
        "model.lattice.positions: got an empty vector; must have at least one component",
    ),
    ({"model__lattice__sites": 10**9}, "model.lattice: got 1000000000 sites; must be at most 10000"),
    (
        {"model__lattice": {"kind": "ribbon", "edge": "armchair", "width": 100, "length": 100}},
        "model.lattice: got 10100 sites; must be at most 10000",
    ),
    (
        {"model__lattice": RING, "model__potential": {"kind": "staggered", "strength": 1}},
        "model.potential.kind: got 'staggered'; the lattice has no two sublattices; use values",
    ),
    (
        {"model__lattice": RING, "initial__model": {"potential": {"kind": "staggered", "strength": 1}}},
        "initial.model.potential.kind: got 'staggered'; the lattice has no two sublattices; use values",
    ),
    (
        {"drive": PULSE | {"direction": [1, 0]}},
        "drive.direction: got [1.0, 0.0]; must be a vector of 1 numbers, not all zero",
    ),
    # initial states
    (
        {"initial__model": {"electrons": {"up": 1, "down": 3}}},
        "initial.model.electrons: differs from model.electrons; must be the same before and after",
    ),
    (
        {"methods": ["exact"], "initial": {"kind": "occupation", "up": [0], "down": [1, 2]}},
        "initial.up: got 1 sites; must be 2 (model.electrons.up)",
    ),
    (
        {"methods": ["exact"], "initial": {"kind": "occupation", "up": [0, 4], "down": [1, 2]}},
        "initial.up: got [0, 4]; must be different sites between 0 and 3",
    ),
    (
        {"methods": ["exact"], "initial": {"kind": "neel"}, "model__electrons": {"up": 1, "down": 2}},
        "model.electrons.up: got 1; must be 2 (the sites of its sublattice) for initial neel",
    ),
    # methods, observables, solvers
    ({"methods": []}, "methods: empty; must have at least one entry"),
    (
        {"methods": ["exakt"]},
        "methods.0.kind: got 'exakt'; must be one of exact, td2rdm, pair, mean_field, neural_ode, orbitals, density_matrix, "
        "fine, cgwe, cgwe2, cgmf, dirac, wave; "
        "did you mean exact?",
    ),
    ({"methods": ["exact", "exact"]}, "methods.0: several methods are named exact; give each a label of its own"),
    (
        {"methods": ["td2rdm"], "model__electrons": {"up": 1, "down": 2}},
        f"{SINGLET} electrons up and down must be equal and not 0, got 1 and 2",
    ),
    ({"methods": ["td2rdm"], "initial": {"kind": "neel"}}, f"{SINGLET} initial neel is none"),
    (
        {"methods": ["mean_field"], "observables": ["loschmidt_echo"]},
        "observables.0: got 'loschmidt_echo'; mean_field does not have it, only exact",
    ),
    (
        {"observables": ["loschmidt_echo"]},
        "observables.0: got 'loschmidt_echo'; td2rdm and mean_field do not have it, only exact",
    ),
    (
        {"solver": {"kind": "magnus"}},
        "solver.kind: got 'magnus'; only method exact has it, not td2rdm and mean_field; give those solvers of their own",
    ),
    (
        {"methods": [{"kind": "exact", "label": "a.b"}]},
        "methods.0.label: got 'a.b'; must be letters, digits, dashes and underscores only, the first a letter or digit",
    ),
    ({"observables": ["energy", "energy"]}, "observables.1: got 'energy'; must be named once"),
    (
        {"methods": ["mean_field"], "solver": {"kind": "magnus"}},
        "solver.kind: got 'magnus'; only method exact has it, not mean_field; give that a solver of its own",
    ),
    (
        {"methods": ONE_EXACT, "model__interaction": QUENCH},
        "methods.0.solver.kind: got 'chebyshev'; the Hamiltonian must not change after time.start; use magnus or auto",
    ),
    (
        {"methods": ONE_EXACT, "precision": "single"},
        "methods.0.solver.tolerance: got 1e-12; must be at least 1e-06 in single precision",
    ),
]


@pytest.mark.parametrize(("changes", "line"), CASES, ids=[line.split(": ")[0] for _, line in CASES])
def test_wording(changes, line):
    with pytest.raises(InputError) as caught:
        parse(data(**changes))
    assert str(caught.value).splitlines() == [line]


def test_every_problem_is_told_at_once():
    with pytest.raises(InputError) as caught:
        parse(data(model__lattice__sites=-1, model__hoping=1, time__samples=0, observables=["dnsity"], seed="x"))
    keys = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert sorted(keys) == ["model.hoping", "model.lattice.sites", "seed", "time.samples"]


def test_an_observable_is_suggested():
    with pytest.raises(InputError, match="did you mean double_occupancy"):
        parse(data(observables=["double_ocupancy"]))


def test_neel_needs_two_sublattices():
    ring = {"kind": "chain", "sites": 3, "periodic": True}
    with pytest.raises(InputError, match=r"^initial.kind: got 'neel'; the lattice has no two sublattices; use occupation$"):
        parse(data(methods=["exact"], initial={"kind": "neel"}, model__lattice=ring, model__electrons={"up": 2, "down": 1}))

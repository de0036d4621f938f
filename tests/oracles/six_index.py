"""TD2RDM as it stands on paper: the three-particle density matrix is built with its six indices and contracted.

State of a spin singlet with n electrons per spin, annihilators (rows) first, hbar = 1:

    D[a,b; x,y] = <c+_{x up} c+_{y dn} c_{b dn} c_{a up}>,  Tr D = n^2;      d[a; x] = sum_b D[a,b; x,b] / n,  Tr d = n
    L = D - d (x) d                                                          two-particle cumulant, up-down block
    D3[a,b,c; x,y,z] = <c+_{x up} c+_{y up} c+_{z dn} c_{c dn} c_{b up} c_{a up}>      particles 1, 2 up, 3 down

    i dD/dt = [h(x)1 + 1(x)h + W, D] + Tr_3 [W_13 + W_23, D3],     W = U delta_ab

A `Closure` maps (d, L, n) to the uud block of the three-particle cumulant: `valdemoro`, `nakatsuji_yasuda` (hard or
smooth sign of the natural occupations).  `contraction_consistent` then restores the four contractions that the exact D3
has.  The cost is Ns^6 and more on purpose: nothing here is rearranged, so that it can check what is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations, pairwise, permutations, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

Array = NDArray[Any]
Closure = Callable[[Array, Array, int], Array]
Reconstruct = Callable[[Array, int], Array]  # (D, n) -> D3_uud

# Spin-orbital cumulants


def same_spin(d2: Array) -> Array:
    """Up-up block of a singlet's D2 or two-particle cumulant from the up-down block."""
    return d2 - d2.transpose(1, 0, 2, 3)


def one_body(d2: Array, n: int) -> Array:
    """d[a; x] of one spin from D[a,b; x,y], n electrons per spin."""
    return np.einsum("abxb->ax", d2) / n


def split(d2: Array, n: int) -> tuple[Array, Array]:
    """(d, L) from D."""
    d = one_body(d2, n)
    return d, d2 - np.einsum("ax,by->abxy", d, d)


def join(d: Array, cumulant: Array) -> Array:
    """D from (d, L)."""
    return np.einsum("ax,by->abxy", d, d) + cumulant


def spin_orbital(d: Array, d2: Array) -> tuple[Array, Array]:
    """D1[p; q] and D2[p,q; r,s] (or D1 and the cumulant) of a singlet over spin orbitals p = spin * Ns + site."""
    ns = len(d)
    up, dn = slice(0, ns), slice(ns, 2 * ns)
    one = np.kron(np.eye(2), d)
    two = np.zeros((2 * ns,) * 4, np.result_type(d2))
    for s in (up, dn):
        two[s, s, s, s] = same_spin(d2)
    two[up, dn, up, dn] = d2
    two[dn, up, dn, up] = d2.transpose(1, 0, 3, 2)
    two[up, dn, dn, up] = -d2.transpose(0, 1, 3, 2)
    two[dn, up, up, dn] = -d2.transpose(1, 0, 2, 3)
    return one, two


def parity(p: tuple[int, ...]) -> int:
    return (-1) ** sum(p[i] > p[j] for i, j in combinations(range(len(p)), 2))


def wedge(tensor: Array, split_at: tuple[int, int] = (1, 1)) -> Array:
    """Antisymmetrise a product A(x)B over its uppers and lowers, each distinct term once.

    `split_at` = how many uppers and lowers belong to A, which is antisymmetric in them already, as is B in its own.
    """
    p = tensor.ndim // 2
    out = np.zeros_like(tensor)
    for upper, lower in product(_shuffles(p, split_at[0]), _shuffles(p, split_at[1])):
        axes = tuple(np.argsort(upper)) + tuple(p + np.argsort(lower))
        out += parity(upper) * parity(lower) * tensor.transpose(axes)
    return out


def _shuffles(p: int, k: int) -> list[tuple[int, ...]]:
    """Permutations of range(p) that ascend in their first k and in their last p - k places."""
    return [q for q in permutations(range(p)) if list(q[:k]) == sorted(q[:k]) and list(q[k:]) == sorted(q[k:])]


def cumulant2(one: Array, two: Array) -> Array:
    """Delta2 = D2 - D1^D1 over spin orbitals (two signed terms)."""
    dd = np.einsum("ax,by->abxy", one, one)
    return two - dd + dd.transpose(0, 1, 3, 2)


def disconnected3(one: Array, delta2: Array) -> Array:
    """D1^D1^D1 + D1^Delta2 over spin orbitals: 6 + 9 signed terms."""
    ddd = np.einsum("ax,by,cz->abcxyz", one, one, one)
    six = sum(parity(p) * ddd.transpose(0, 1, 2, *(3 + np.argsort(p))) for p in permutations(range(3)))
    return six + wedge(np.einsum("ax,bcyz->abcxyz", one, delta2), (1, 1))


def nakatsuji_yasuda_spin_orbital(delta2: Array, sign: Array) -> Array:
    """Sum of the 9 signed terms Delta2[u1,u2; l1,t] S[t,t'] Delta2[t',u3; l2,l3] over spin orbitals."""
    return wedge(np.einsum("abxs,st,tcyz->abcxyz", delta2, sign, delta2, optimize=True), (2, 1))


# The uud block


def disconnected_uud(d: Array, cumulant: Array) -> Array:
    """D3_uud with vanishing three-particle cumulant."""
    luu = same_spin(cumulant)
    dd = np.einsum("ax,by->abxy", d, d)
    lone_up = np.einsum("ax,bcyz->abcxyz", d, cumulant)
    return (
        np.einsum("abxy,cz->abcxyz", same_spin(dd) + luu, d)
        + lone_up
        - lone_up.transpose(1, 0, 2, 3, 4, 5)
        - lone_up.transpose(0, 1, 2, 4, 3, 5)
        + lone_up.transpose(1, 0, 2, 4, 3, 5)
    )


def valdemoro(d: Array, cumulant: Array, n: int) -> Array:
    """Three-particle cumulant = 0."""
    return np.zeros((len(d),) * 6, complex)


def hard_sign(d: Array, n: int) -> Array:
    """2P - 1 with P the projector on the n highest natural orbitals."""
    _, orbitals = np.linalg.eigh((d + d.conj().T) / 2)
    occupied = orbitals[:, -n:]
    return 2 * occupied @ occupied.conj().T - np.eye(len(d))


def smooth_sign(d: Array, n: int) -> Array:
    """2d - 1: the same for occupations 0 and 1, differentiable in between."""
    return 2 * d - np.eye(len(d))


def nakatsuji_yasuda(sign: Callable[[Array, int], Array] = hard_sign) -> Closure:
    """Nine-term reconstruction Delta2 S Delta2, coefficient +1; the uud block, assembled spin by spin."""

    def closure(d: Array, cumulant: Array, n: int) -> Array:
        s, same = sign(d, n), same_spin(cumulant)
        swap = cumulant.transpose
        block = {
            "uuuu": same,
            "dddd": same,
            "udud": cumulant,
            "dudu": swap(1, 0, 3, 2),
            "uddu": -swap(0, 1, 3, 2),
            "duud": -swap(1, 0, 2, 3),
        }
        spins, out = "uud", np.zeros((len(d),) * 6, complex)
        for u, low in product(_shuffles(3, 2), _shuffles(3, 1)):
            su, sl = [spins[i] for i in u], [spins[i] for i in low]
            for t in "ud":
                left, right = block.get(su[0] + su[1] + sl[0] + t), block.get(t + su[2] + sl[1] + sl[2])
                if left is None or right is None:
                    continue
                term = np.tensordot(left, np.tensordot(s, right, 1), 1).transpose(0, 1, 3, 2, 4, 5)
                out += parity(u) * parity(low) * term.transpose(*np.argsort(u), *(3 + np.argsort(low)))
        return out

    return closure


# Contractions and contraction consistency


def contractions(d3: Array) -> Array:
    """The four contractions of a uud object, stacked: (3,3'), (2,2'), (upper 2, lower 3), (upper 3, lower 2)."""
    return np.stack([np.einsum(s, d3) for s in ("abcxyc->abxy", "abcxbz->acxz", "abcxyb->acxy", "abcxcz->abxz")])


def contraction_targets(d2: Array, n: int) -> Array:
    """What the contractions of D3_uud are when N_up, N_dn and S^2 = 0 are sharp."""
    return np.stack([n * same_spin(d2), (n - 1) * d2, d2 - d2.transpose(0, 1, 3, 2), same_spin(d2)])


def contraction_targets_cumulant(d: Array, cumulant: Array) -> Array:
    """The same for the three-particle cumulant, from (d, L) alone, with g = d - 1/2."""
    g, luu = d - np.eye(len(d)) / 2, same_spin(cumulant)
    c22 = np.einsum("ae,ecxz->acxz", g, cumulant) + np.einsum("acez,ex->acxz", cumulant, g)
    c23 = -(np.einsum("aexy,ce->acxy", luu, g) - np.einsum("acye,ex->acxy", cumulant, g) + np.einsum("acxe,ey->acxy", cumulant, g))
    return np.stack([np.zeros_like(c22), c22, c23, c23.conj().transpose(2, 3, 0, 1)])


@cache
def _antisymmetric_pairs(ns: int) -> tuple[Array, Array]:
    """Tensors antisymmetric in (1,2) and (1',2'): flat positions of their independent elements, and the pseudo-inverse
    of the contractions as a matrix on these."""
    pairs = [(a, b, c) for a, b in combinations(range(ns), 2) for c in range(ns)]
    position = np.array([np.ravel_multi_index(u + v, (ns,) * 6) for u in pairs for v in pairs])
    columns = []
    for p in position:
        unit = np.zeros((ns,) * 6)
        unit.flat[p] = 1.0
        unit -= unit.transpose(1, 0, 2, 3, 4, 5)
        unit -= unit.transpose(0, 1, 2, 4, 3, 5)
        columns.append(contractions(unit).ravel())
    matrix = np.array(columns).T
    return position, np.linalg.pinv(matrix, rcond=1e-10)


def contraction_consistent(d3: Array, targets: Array) -> Array:
    """The D3_uud closest to `d3` among those with the given contractions, by a dense pseudo-inverse (Ns <= 5)."""
    ns = len(d3)
    position, inverse = _antisymmetric_pairs(ns)
    shift = np.zeros((ns,) * 6, complex)
    shift.flat[position] = inverse @ (targets - contractions(d3)).ravel()
    shift = shift - shift.transpose(1, 0, 2, 3, 4, 5)
    return d3 + shift - shift.transpose(0, 1, 2, 4, 3, 5)


class Reconstruction(NamedTuple):
    """D -> D3_uud: a closure for the three-particle cumulant, made contraction consistent or not."""

    closure: Closure = valdemoro
    consistent: bool = False

    def __call__(self, d2: Array, n: int) -> Array:
        d, cumulant = split(d2, n)
        d3 = disconnected_uud(d, cumulant) + self.closure(d, cumulant, n)
        return contraction_consistent(d3, contraction_targets(d2, n)) if self.consistent else d3


# Equations of motion


def energy(d2: Array, n: int, h: Array, interaction: ArrayLike) -> float:
    """E = 2 Tr(h d) + sum_i U_i D[ii; ii]."""
    u = np.broadcast_to(interaction, len(h))
    return float((2 * np.trace(h @ one_body(d2, n)) + u @ np.einsum("iiii->i", d2)).real)


def collision(d3: Array) -> Array:
    """K[a,b; x,y] = D3_uud[a,b,b; x,b,y]: the collision element, third particle on the site of the second."""
    return np.einsum("abbxby->abxy", d3)


def _i_dot_d2(d2: Array, d3: Array, h: Array, u: Array) -> Array:
    one = np.eye(len(h))
    h12 = np.einsum("ax,by->abxy", h, one) + np.einsum("ax,by->abxy", one, h)
    h12 = h12 + np.einsum("a,ab,ax,by->abxy", u, one, one, one)
    k = u[None, :, None, None] * collision(d3)
    c = k + k.transpose(1, 0, 3, 2)
    commutator = np.tensordot(h12, d2, 2) - np.tensordot(d2, h12, 2)
    return commutator + c - c.conj().transpose(2, 3, 0, 1)


def velocity(d2: Array, n: int, h: Array, interaction: ArrayLike, reconstruct: Reconstruct) -> Array:
    """dD/dt for a reconstruction of D3_uud (or an exact one, as a lambda)."""
    u = np.broadcast_to(interaction, len(h))
    return -1j * _i_dot_d2(d2, reconstruct(d2, n), h, u)


def velocity_spin_orbital(one: Array, two: Array, three: Array, h: Array, interaction: ArrayLike) -> tuple[Array, Array]:
    """(dD1/dt, dD2/dt) over spin orbitals, with explicit two-body matrices and traces.

    i dD1/dt = [h, D1] + Tr_2 [W12, D2],    i dD2/dt = [h1 + h2 + W12, D2] + Tr_3 [W13 + W23, D3]
    """
    ns = len(h)
    u, spin = np.broadcast_to(interaction, ns), np.kron([[0, 1], [1, 0]], np.eye(ns))
    w = spin * np.tile(u, 2)  # the interaction is diagonal: W[p, q] when particles sit on p and q
    h = np.kron(np.eye(2), h)
    i_one = h @ one - one @ h + np.einsum("ab,abxb->ax", w, two) - np.einsum("xb,abxb->ax", w, two)
    i_two = np.einsum("ae,ebxy->abxy", h, two) + np.einsum("be,aexy->abxy", h, two)
    i_two -= np.einsum("abey,ex->abxy", two, h) + np.einsum("abxe,ey->abxy", two, h)
    i_two += w[:, :, None, None] * two - two * w
    traced = np.einsum("abcxyc->abxyc", three)
    i_two += np.einsum("ac,abxyc->abxy", w, traced) + np.einsum("bc,abxyc->abxy", w, traced)
    i_two -= np.einsum("xc,abxyc->abxy", w, traced) + np.einsum("yc,abxyc->abxy", w, traced)
    return -1j * i_one, -1j * i_two


def mean_field_velocity(d: Array, h: Array, interaction: ArrayLike) -> Array:
    """TDHF: i dd/dt = [h + U diag(d), d]."""
    f = h + np.diag(np.broadcast_to(interaction, len(h)) * np.diagonal(d))
    return -1j * (f @ d - d @ f)


def pair_velocity(d: Array, cumulant: Array, h: Array, interaction: ArrayLike) -> tuple[Array, Array]:
    """(dd/dt, dL/dt) of the cumulant hierarchy with Delta3 = 0, d and L independent (dynamically screened ladder)."""
    u = np.broadcast_to(interaction, len(h))
    diagonal = u[:, None] * np.einsum("aaxa->ax", cumulant)
    d_dot = mean_field_velocity(d, h, interaction) - 1j * (diagonal - diagonal.conj().T)
    d2_dot = -1j * _i_dot_d2(join(d, cumulant), disconnected_uud(d, cumulant), h, u)
    return d_dot, d2_dot - np.einsum("ax,by->abxy", d_dot, d) - np.einsum("ax,by->abxy", d, d_dot)


def pair_velocity_channels(d: Array, cumulant: Array, h: Array, interaction: float) -> Array:
    """dL/dt of the same scheme, channel by channel, for a uniform interaction.

    i dL/dt = R - h.c., with A = d(x)d + L: Hartree-Fock, source and particle-particle ladder, Pauli blocking,
    particle-hole ladder, polarisation (GW).
    """
    one, luu, a = np.eye(len(d)), same_spin(cumulant), join(d, cumulant)
    hf = h + interaction * np.diag(np.diagonal(d))
    r = np.einsum("ae,ebxy->abxy", hf, cumulant) + np.einsum("be,aexy->abxy", hf, cumulant)
    r = r + interaction * np.einsum("ab,abxy->abxy", one, a)
    r -= interaction * (np.einsum("ab,bbxy->abxy", d, a) + np.einsum("ba,aaxy->abxy", d, a))
    r -= interaction * (np.einsum("bx,abby->abxy", d, cumulant) + np.einsum("ay,abxa->abxy", d, cumulant))
    r += interaction * (np.einsum("abxb,by->abxy", luu, d) + np.einsum("baya,ax->abxy", luu, d))
    return -1j * (r - r.conj().transpose(2, 3, 0, 1))


# Representability and purification


def symmetrise(x: Array, sign: int) -> Array:
    """Singlet (+1) or triplet (-1) block: (anti)symmetric part in (a,b) and in (x,y)."""
    y = x + sign * x.transpose(1, 0, 2, 3)
    return (y + sign * y.transpose(0, 1, 3, 2)) / 4


def hole_matrix(d2: Array, n: int) -> Array:
    """Q[a,b; x,y] = <c_{a up} c_{b dn} c+_{y dn} c+_{x up}> = 1 - d(x)1 - 1(x)d + D."""
    d, one = one_body(d2, n), np.eye(len(d2))
    return np.einsum("ax,by->abxy", one, one) - np.einsum("ax,by->abxy", d, one) - np.einsum("ax,by->abxy", one, d) + d2


def particle_hole_matrices(d2: Array, n: int) -> tuple[Array, Array]:
    """Spin-adapted (G_singlet, G_triplet)[i,j; k,l]: both positive semidefinite for a representable D."""
    ns = len(d2)
    triplet = np.einsum("jl,ik->ijkl", np.eye(ns), one_body(d2, n)) - np.einsum("ilkj->ijkl", d2)
    return triplet + 2 * np.einsum("iljk->ijkl", d2), triplet


def negative_part(x: Array) -> Array:
    """Sum over negative eigenvalues of lambda |v><v|, as a four-index array."""
    m = x.reshape(len(x) ** 2, -1)
    values, vectors = np.linalg.eigh((m + m.conj().T) / 2)
    low = np.minimum(values, 0.0)
    return ((vectors * low) @ vectors.conj().T).reshape(x.shape)


def contraction_free(x: Array, sign: int) -> Array:
    """Part of a singlet (+1) or triplet (-1) block whose partial trace vanishes (unitary decomposition)."""
    r, c, one = len(x), np.einsum("akxk->ax", x), np.eye(len(x))
    product_ = np.einsum("ax,by->abxy", c, one)
    wedge_ = 4 * symmetrise(product_, sign)
    unit = np.einsum("ax,by->abxy", one, one)
    unit = unit + sign * unit.transpose(1, 0, 2, 3)
    return x - (wedge_ / (r + 2 * sign) - np.trace(c) * unit / ((r + sign) * (r + 2 * sign)))


def negativity(d2: Array, n: int) -> float:
    """Most negative eigenvalue of D and Q, singlet and triplet."""
    blocks = [symmetrise(m, s) for m in (d2, hole_matrix(d2, n)) for s in (1, -1)]
    return float(min(np.linalg.eigvalsh(b.reshape(len(b) ** 2, -1)).min() for b in blocks))


def purify(d2: Array, n: int, *, step: float = 1.0, momentum: bool = False, tol: float = 1e-9, max_iterations: int = 4000) -> Array:
    """Remove the negative eigenvalues of D and Q at fixed d, spin and energy, by projected gradient descent.

    Each step subtracts `step` times the negative spectral parts of the singlet and triplet blocks of D and Q, made
    contraction free and, in the singlet block, orthogonal to the on-site interaction, so that <W> stays (U uniform).
    Stops when no eigenvalue is below -tol.  `momentum` switches on Nesterov's acceleration, with `step` = 0.5.
    """
    ns = len(d2)
    w = np.zeros_like(d2)
    i = np.arange(ns)
    w[i, i, i, i] = 1.0
    w = contraction_free(w, 1)
    w /= np.linalg.norm(w)
    ahead = last = d2
    for k in range(max_iterations):
        if negativity(last, n) >= -tol:
            return last
        q = hole_matrix(ahead, n)
        parts = {s: contraction_free(sum(negative_part(symmetrise(m, s)) for m in (ahead, q)), s) for s in (1, -1)}
        parts[1] = parts[1] - np.vdot(w, parts[1]) * w
        new = ahead - step * (parts[1] + parts[-1])
        ahead = new + k / (k + 3) * (new - last) if momentum else new
        last = new
    return last


# Propagation


class Run(NamedTuple):
    """What a propagation returns; the arrays end with the last sample before `stopped`, the time of a blow-up if any."""

    times: Array
    d: Array  # [time, a, x]
    d2: Array  # [time, a, b, x, y]
    stopped: float | None


def _integrate(field: Callable[[Array], Array], state: Array, times: ArrayLike, rtol: float, limit: float):
    def overflow(t: float, y: Array) -> float:
        return limit - np.abs(y).max()

    overflow.terminal = True  # type: ignore[attr-defined]
    times = np.asarray(times, float)
    sol = solve_ivp(
        lambda t, y: field(y),
        (times[0], times[-1]),
        state.astype(complex),
        method="DOP853",
        t_eval=times,
        rtol=rtol,
        atol=rtol * 1e-2,
        events=overflow,
    )
    if not sol.success:
        raise RuntimeError(sol.message)
    return sol.t, sol.y.T, float(sol.t_events[0][0]) if sol.t_events[0].size else None


def propagate_td2rdm(
    d2: Array,
    n: int,
    h: Array,
    interaction: ArrayLike,
    times: ArrayLike,
    reconstruct: Reconstruct,
    *,
    rtol: float = 1e-10,
    limit: float = 20.0,
) -> Run:
    """D(t) from D(times[0]) = d2; stops where an element exceeds `limit`."""
    t, y, stop = _integrate(
        lambda y: velocity(y.reshape(d2.shape), n, h, interaction, reconstruct).ravel(), d2.ravel(), times, rtol, limit
    )
    y = y.reshape(-1, *d2.shape)
    return Run(t, np.array([one_body(x, n) for x in y]), y, stop)


def propagate_purified(
    d2: Array,
    n: int,
    h: Array,
    interaction: ArrayLike,
    times: ArrayLike,
    reconstruct: Reconstruct,
    *,
    rtol: float = 1e-8,
    tol: float = 1e-7,
    max_iterations: int = 2000,
) -> Run:
    """D(t) with `purify` (accelerated) after every interval of `times`; the initial D is taken as it is."""
    states = [d2]
    for interval in pairwise(np.asarray(times, float)):
        run = propagate_td2rdm(states[-1], n, h, interaction, interval, reconstruct, rtol=rtol)
        if run.stopped is not None:
            break
        states.append(purify(run.d2[-1], n, step=0.5, momentum=True, tol=tol, max_iterations=max_iterations))
    y = np.array(states)
    return Run(np.asarray(times)[: len(y)], np.array([one_body(x, n) for x in y]), y, run.stopped)


def propagate_pair(
    d: Array,
    cumulant: Array,
    h: Array,
    interaction: ArrayLike,
    times: ArrayLike,
    *,
    rtol: float = 1e-10,
    limit: float = 20.0,
) -> Run:
    """(d, L)(t) of `pair_velocity`; d2 of the result is d(x)d + L."""
    ns = len(d)

    def unpack(y: Array) -> tuple[Array, Array]:
        return y[: ns**2].reshape(ns, ns), y[ns**2 :].reshape((ns,) * 4)

    def field(y: Array) -> Array:
        return np.concatenate([v.ravel() for v in pair_velocity(*unpack(y), h, interaction)])

    t, y, stop = _integrate(field, np.concatenate([d.ravel(), cumulant.ravel()]), times, rtol, limit)
    states = [unpack(x) for x in y]
    return Run(t, np.array([s[0] for s in states]), np.array([join(*s) for s in states]), stop)


def propagate_mean_field(d: Array, h: Array, interaction: ArrayLike, times: ArrayLike, *, rtol: float = 1e-10) -> Run:
    """TDHF from d(times[0]) = d, which need not be idempotent; d2 of the result is d(x)d."""
    t, y, stop = _integrate(
        lambda y: mean_field_velocity(y.reshape(d.shape), h, interaction).ravel(), d.ravel(), times, rtol, np.inf
    )
    y = y.reshape(-1, *d.shape)
    return Run(t, y, np.einsum("tax,tby->tabxy", y, y), stop)


def hartree_fock(h: Array, interaction: ArrayLike, n: int, *, tol: float = 1e-13, max_iterations: int = 5000) -> Array:
    """Restricted Hartree-Fock ground state's d (n per spin), by damped iteration from the non-interacting one."""
    u, d = np.broadcast_to(interaction, len(h)), np.zeros_like(h, dtype=complex)
    for _ in range(max_iterations):
        _, orbitals = np.linalg.eigh(h + np.diag(u * np.diagonal(d)))
        new = orbitals[:, :n] @ orbitals[:, :n].conj().T
        if np.abs(new - d).max() < tol:
            return new
        d = d + 0.5 * (new - d)
    raise RuntimeError(f"Hartree-Fock did not converge in {max_iterations} iterations")


def relative_error(run: Run, exact: Array) -> Array:
    """||D - D_exact|| / ||D_exact|| at the times that the run reached."""
    exact = exact[: len(run.times)]
    axes = (1, 2, 3, 4)
    return np.sqrt((np.abs(run.d2 - exact) ** 2).sum(axes) / (np.abs(exact) ** 2).sum(axes))

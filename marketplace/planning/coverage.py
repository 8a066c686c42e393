"""Coverage: how sure no demand goes unmet over a horizon from units that can still be reached.

Demand of the field is Poisson; every unit with a partner is used up by it with the same hazard, independently; each demand
takes one unit. Units under a minimum to keep are not used up, so a minimum of F is worth F units held by oneself. All
functions broadcast over their arguments like NumPy's own.

The closed form is ours to check, not to believe: tests compare it with a matrix exponential of the pure-death chain and with
simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import special

from marketplace.kit.errors import invalid
from marketplace.planning.inputs import Array, hazards, numbers, units, years

FLAT = 1e-12
"""Where hazard times horizon is below this, nothing is used up: the limit is exact to the last digit that is shown."""
_CHUNK = 1 << 16
_MOST_TERMS = 100
_MOST_MEAN = 700.0
_LARGE = 1e4
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_FEW_TERMS = 24
_SLICE = 2_000
"""Quadrature makes 144 columns; so many rows at a time take little memory."""


def coverage(rate: npt.ArrayLike, hazard: npt.ArrayLike, pool: npt.ArrayLike, horizon: npt.ArrayLike) -> Array:
    """Coverage from a shared pool alone: ``P(no unmet demand in [0, T]) = I_x(rate/hazard, pool+1)``, x = exp(-hazard T).

    ``rate``: demands a year. ``hazard``: of a unit to be used up by its holder, a year. ``pool``: whole units with partners.
    ``horizon``: years, 0 to 100. Returns probabilities in the arguments' common shape. The limit for hazard -> 0 is the
    Poisson distribution; rate or horizon 0 give 1.

    Raises ``planning.number``, ``planning.whole``, ``planning.hazard``.
    """
    return _pool_only(numbers("rate", rate), hazards("hazard", hazard), units("pool", pool), years(horizon))


def _pool_only(lam: Array, mu: Array, q: Array, t: Array) -> Array:
    """As ``coverage``, of arguments that were looked at."""
    lam, mu, q, t = np.broadcast_arrays(lam, mu, q, t)
    shape = t.shape
    lam, mu, q, t = (np.ravel(x) for x in (lam, mu, q, t))
    found = np.empty(t.size)
    for start in range(0, t.size, _CHUNK):
        at = slice(start, start + _CHUNK)
        found[at] = _chunk(lam[at], mu[at], q[at], t[at])
    return found.reshape(shape)


def _chunk(lam: Array, mu: Array, q: Array, t: Array) -> Array:
    """The beta of a whole number is a sum of positive terms, ``e^(-lam T) sum_i prod_{j<i} (lam y + j z) / (j + 1)`` with
    z = 1 - e^(-mu T) and y = z / mu, which needs neither a limit for mu -> 0 nor one for lam -> 0, loses no digits, and takes a
    fraction of the time of the incomplete beta. Large pools and means whose exponential is no number any more take the beta."""
    mean = lam * t
    summed = (q <= _MOST_TERMS) & (mean < _MOST_MEAN)
    if summed.all():
        return _sum(lam, mu, q, t, mean)
    found = np.empty(t.size)
    found[summed] = _sum(lam[summed], mu[summed], q[summed], t[summed], mean[summed])
    rest = ~summed
    found[rest] = _beta(lam[rest], mu[rest], q[rest], t[rest])
    return found


def _sum(lam: Array, mu: Array, q: Array, t: Array, mean: Array) -> Array:
    order = np.argsort(-q, kind="stable")
    lam, mu, q, t = lam[order], mu[order], q[order], t[order]
    # Rows with i units or more come first, so that term i is computed for them alone.
    upto = np.searchsorted(-q, -np.arange(int(q.max(initial=0)) + 1), side="right")
    z = -np.expm1(-mu * t)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = lam * np.where(mu * t < FLAT, t, z / mu)
    term = np.exp(-mean[order])
    total = term.copy()
    for i in range(1, upto.size):
        m = int(upto[i])
        term = term[:m]
        term *= (slope[:m] + (i - 1) * z[:m]) / i
        total[:m] += term
    found = np.empty(t.size)
    found[order] = np.minimum(total, 1.0)
    return found


def _beta(lam: Array, mu: Array, q: Array, t: Array) -> Array:
    """The complement with 1 - x = -expm1(-hazard T) keeps its digits where x is close to 1; rate/hazard = 0 is kept away from
    the incomplete beta, which has no value there."""
    flat = mu * t < FLAT
    some = lam * t > 0
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        a = np.where(flat | ~some, 1.0, lam / np.where(flat, 1.0, mu))
    found = np.where(flat, special.gammaincc(q + 1, lam * t), special.betaincc(q + 1, a, -np.expm1(-mu * t)))
    return np.where(some, found, 1.0)


def poisson_cdf(count: npt.ArrayLike, mean: npt.ArrayLike) -> Array:
    """P(Poisson(mean) <= count); 0 below 0. Shapes broadcast."""
    count, mean = np.broadcast_arrays(np.asarray(count, np.float64), np.asarray(mean, np.float64))
    return np.where(count < 0, 0.0, special.gammaincc(np.maximum(count, 0) + 1, mean))


def _given(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    pool: npt.ArrayLike,
    own: npt.ArrayLike,
    horizon: npt.ArrayLike,
    floor: npt.ArrayLike,
) -> tuple[Array, ...]:
    """What a mixture of pool and own units is reckoned from, checked, of one shape; a floor is no more than the pool."""
    lam, mu, q, k, t, f = np.broadcast_arrays(
        numbers("rate", rate),
        hazards("hazard", hazard),
        units("pool", pool),
        units("own", own),
        years(horizon),
        units("floor", floor),
    )
    return lam, mu, q, k, t, np.minimum(f, q)


def pool_first(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    pool: npt.ArrayLike,
    own: npt.ArrayLike,
    horizon: npt.ArrayLike,
    *,
    floor: npt.ArrayLike = 0,
    window: npt.ArrayLike | None = None,
) -> Array:
    """Coverage from a pool and own units, drawing the pool first: the order that maximises coverage.

    ``own``: whole units held by oneself. ``floor``: of the pool, units the holders must keep: worth as many own units.
    ``window``: years after which the rights end (None: they last to the horizon); afterwards own units alone serve, and units
    under a floor are out of reach too. Otherwise as ``coverage``; the mixture is one quadrature over the time at
    which a demand first finds the pool empty, good to 1e-9.
    """
    lam, mu, q, k, t, f = _given(rate, hazard, pool, own, horizon, floor)
    if window is None:
        return _rows(_mixed, lam, mu, q - f, k + f, t)
    ends = np.minimum(np.broadcast_to(numbers("window", window), t.shape), t)
    return _windowed(lam, mu, q - f, f, k, t, ends)


MOST_OWN = 300
"""Own units of a part that a window is reckoned through with; above, the pool is left out: a lower bound, and next to 1 anyway."""


def _windowed(lam: Array, mu: Array, free: Array, f: Array, k: Array, t: Array, ends: Array) -> Array:
    """At the end of the window j own units are used with probability C_j - C_{j-1} (C_j: coverage so far with j of them);
    the others have to serve what comes after alone."""
    shape = t.shape
    lam, mu, free, f, k, t, ends = (np.ravel(x) for x in (lam, mu, free, f, k, t, ends))
    found = np.asarray(poisson_cdf(k, lam * t))
    todo = np.flatnonzero((free + f > 0) & (k <= MOST_OWN) & (ends > 0))
    # Parts with as many own units together: each is walked through one by one.
    todo = todo[np.argsort(-k[todo], kind="stable")]
    for start in range(0, todo.size, _SLICE):
        at = todo[start : start + _SLICE]
        found[at] = _through(lam[at], mu[at], free[at], f[at], k[at], t[at], ends[at])
    return found.reshape(shape)


def _through(lam: Array, mu: Array, free: Array, f: Array, k: Array, t: Array, ends: Array) -> Array:
    """``_windowed`` of some parts, most own units first."""
    total, before = np.zeros(t.size), np.zeros(t.size)
    walk = _MixedWalk(lam, mu, free, f, ends)
    later = lam * (t - ends)
    for used in range(int(k.max(initial=0)) + 1):
        many = int(np.searchsorted(-k, -used, side="right"))
        now = walk.next(many)
        total[:many] += np.maximum(now - before[:many], 0) * poisson_cdf(k[:many] - used, later[:many])
        before[:many] = now
        if (now >= 1 - 1e-13).all():
            break
    return np.clip(total, 0.0, 1.0)


class _MixedWalk:
    """``_mixed`` with k, k + 1, k + 2 ... own units in turn. From one to the next the integral gains one Poisson term, all of them
    positive: so the density, which takes most of the time, is reckoned once."""

    def __init__(self, lam: Array, mu: Array, q: Array, k: Array, t: Array) -> None:
        self._k, self._mean, self._q = k, lam * t, q
        self._pool = _pool_only(lam, mu, q, t)
        flat = mu * t < FLAT
        # Where nothing is used up, or nothing is pooled, own units alone are Poisson.
        self._plain = flat | ((q == 0) & (self._mean > FLAT))
        self._rows = np.flatnonzero(~self._plain & (self._mean > FLAT))
        at = self._rows
        self._x, self._weight = _integrand(lam[at], mu[at], q[at], t[at])
        self._met, self._term = _poisson_below(k[at], self._x)
        self._used = 0

    def next(self, many: int) -> Array:
        """Of the first so many parts, which are never more than the time before."""
        some = int(np.searchsorted(self._rows, many))
        if some < self._rows.size:
            self._rows, self._x, self._weight = self._rows[:some], self._x[:some], self._weight[:some]
            self._met, self._term = self._met[:some], self._term[:some]
        k = self._k[:many] + self._used
        found = self._pool[:many].copy()
        plain = self._plain[:many]
        found[plain] = poisson_cdf(self._q[:many][plain] + k[plain], self._mean[:many][plain])
        found[self._rows] += (self._weight * self._met).sum(axis=1)
        self._met += self._term
        self._used += 1
        self._term *= self._x / (self._k[self._rows, None] + self._used)
        return np.clip(found, 0.0, 1.0)


def _poisson_below(count: Array, mean: Array) -> tuple[Array, Array]:
    """P(N < count) and P(N = count) of Poisson means in rows, ``count`` (rows,) whole. A few terms, all positive, take a tenth of the time
    of the incomplete gamma; the terms of one row are those of all that go further."""
    most = int(count.max(initial=0))
    if most > _FEW_TERMS:
        own = count[:, None]
        below = np.where(own > 0, special.gammaincc(np.maximum(own, 1), mean), 0.0)
        return below, np.exp(special.xlogy(own, mean) - mean - special.gammaln(own + 1))
    below, term = np.zeros_like(mean), np.exp(-mean)
    for j in range(most):
        more = count > j
        if more.all():
            below += term
            term *= mean / (j + 1)
        else:
            below[more] += term[more]
            term[more] *= mean[more] / (j + 1)
    return below, term


def _mixed(lam: Array, mu: Array, q: Array, k: Array, t: Array) -> Array:
    """P(S > T) + integral of f_S(s) P(N(T - s) <= k - 1), S the time at which a demand first finds the pool empty:
    f_S(s) = mu e^(-lam s) (1 - e^(-mu s))^q / B(lam/mu, q + 1)."""
    found = _pool_only(lam, mu, q, t)
    flat = mu * t < FLAT
    found = np.where(flat, poisson_cdf(q + k, lam * t), found)
    todo = (k > 0) & ~flat & (lam * t > FLAT)
    # Nothing is pooled: own units alone are Poisson, without any integral.
    alone = todo & (q == 0)
    found = np.where(alone, poisson_cdf(k, lam * t), found)
    todo &= ~alone
    if todo.any():
        found[todo] += _reached(lam[todo], mu[todo], q[todo], k[todo], t[todo])
    return np.clip(found, 0.0, 1.0)


def _reached(lam: Array, mu: Array, q: Array, k: Array, t: Array) -> Array:
    """The integral above."""
    left, weight = _integrand(lam, mu, q, t)
    return np.asarray((weight * special.gammaincc(k[:, None], left)).sum(axis=1), dtype=np.float64)


def _integrand(lam: Array, mu: Array, q: Array, t: Array) -> tuple[Array, Array]:
    """The demand that is still to come at each node, and the density there times its weight, in three panels: up to the peak of the
    density, its shoulder, and its long tail."""
    a = lam / mu
    # Mean and spread of S only say where to look; where a is large their differences of polygammas have no digits left.
    large = a > _LARGE
    safe = np.where(large, 1.0, a)
    mean = np.where(large, np.log1p((q + 1) / a), special.digamma(safe + q + 1) - special.digamma(safe)) / mu
    variance = special.polygamma(1, safe) - special.polygamma(1, safe + q + 1)
    spread = np.sqrt(np.where(large, (q + 1) / a / (a + q + 1), np.maximum(variance, 0))) / mu
    peak = np.log1p(q * mu / lam) / mu
    width = np.sqrt(q / (lam * (lam + q * mu)))
    edges = [
        np.clip(mean - 12 * spread, 0, np.minimum(peak, t)),
        np.minimum(peak, t),
        np.minimum(peak + np.minimum(10 * width, 10 / mu), t),
        np.minimum(mean + 40 * spread, t),
    ]
    edges[3] = np.maximum(edges[2], edges[3])
    constant = (np.log(mu) - special.betaln(a, q + 1))[:, None]
    size = _NODES.size
    left, weight = np.empty((t.size, 3 * size)), np.empty((t.size, 3 * size))
    for place, (low, high) in enumerate(pairwise(edges)):
        half = (high - low)[:, None] / 2
        s = low[:, None] + half * (_NODES + 1)
        with np.errstate(divide="ignore"):
            fresh = np.log(-np.expm1(-mu[:, None] * s))
        panel = slice(place * size, (place + 1) * size)
        weight[:, panel] = half * _WEIGHTS * np.exp(constant - lam[:, None] * s + q[:, None] * fresh)
        left[:, panel] = lam[:, None] * np.maximum(t[:, None] - s, 0)
    return left, weight


def own_first(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    pool: npt.ArrayLike,
    own: npt.ArrayLike,
    horizon: npt.ArrayLike,
    *,
    floor: npt.ArrayLike = 0,
) -> Array:
    """Coverage when own units serve first: the order that keeps most cash, since nothing is bought back early.

    Arguments as ``pool_first``. Own units last an Erlang time; the pool that is left then is binomial. Units under a floor come
    after the free ones. Costs as many steps a part as the pool has units.
    """
    lam, mu, q, k, t, f = _given(rate, hazard, pool, own, horizon, floor)
    return _rows(_own_first, lam, mu, q - f, k, t, f)


def _own_first(lam: Array, mu: Array, q: Array, k: Array, t: Array, f: Array) -> Array:
    """Floor units are the last resort: by the negative binomial form of the beta, coverage of a binomial rest is
    ``x^a sum_i (a)_i / i! (1-x)^i P(Bin(q, p) >= i)``; with a floor the chain below is walked instead."""
    found = _mixed(lam, mu, q, f, t)
    todo = (k > 0) & (lam * t > FLAT) & (mu * t >= FLAT) & (q > 0)
    found = np.where((k > 0) & ~todo, poisson_cdf(q + k + f, lam * t), found)
    for at in np.flatnonzero(todo):
        found[at] = _own_first_one(lam[at], mu[at], int(q[at]), int(k[at]), t[at], int(f[at]))
    return np.clip(found, 0.0, 1.0)


def _own_first_one(lam: float, mu: float, q: int, k: int, t: float, f: int) -> float:
    log_t = np.log(lam) * k - special.gammaln(k)
    mean, spread = k / lam, np.sqrt(k) / lam
    # The pool thins with time constant 1/hazard: a panel of the quadrature for every two of them, sixteen at most.
    low, high = min(t, max(0.0, mean - 12 * spread)), min(t, mean + 40 * spread)
    panels = int(min(16, max(2, np.ceil((high - low) * mu / 2))))
    half = (high - low) / 2 / panels
    tau = (low + half * (2 * np.arange(panels)[:, None] + _NODES + 1)).ravel()
    weights = np.tile(half * _WEIGHTS, panels)
    density = np.exp(log_t + special.xlogy(k - 1, tau) - lam * tau)
    p = np.exp(-mu * tau)
    rest = t - tau
    if f == 0:
        # Terms as in _sum: gammas of lam/mu would lose their digits where next to nothing is used up.
        i = np.arange(q + 1)[:, None]
        z = -np.expm1(-mu * rest)
        factors = (lam * z / mu + (i[1:] - 1) * z) / i[1:]
        terms = np.exp(-lam * rest) * np.concatenate([np.ones((1, rest.size)), np.cumprod(factors, axis=0)])
        alive = np.where(i == 0, 1.0, special.bdtrc(np.maximum(i - 1, 0), q, p))
        inside = (terms * alive).sum(axis=0)
    else:
        j = np.arange(q + 1)
        binomial = np.exp(
            special.gammaln(q + 1)
            - special.gammaln(j + 1)
            - special.gammaln(q - j + 1)
            + special.xlogy(j, p[:, None])
            + special.xlogy(q - j, -np.expm1(-mu * tau)[:, None])
        )
        held = _mixed(
            *(
                np.ascontiguousarray(b.ravel(), dtype=np.float64)
                for b in np.broadcast_arrays(lam, mu, j[None, :].astype(float), float(f), rest[:, None])
            )
        )
        inside = (binomial * held.reshape(binomial.shape)).sum(axis=1)
    return float(poisson_cdf(k - 1, lam * t)) + float((weights * density * inside).sum())


def _rows(work: Callable[..., Array], *arguments: Array) -> Array:
    """``work`` over flat slices of the arguments, so that a million parts take the memory of some thousand."""
    shape = arguments[0].shape
    flat = [np.ravel(a).astype(np.float64) for a in arguments]
    found = np.empty(flat[0].size)
    for start in range(0, flat[0].size, _SLICE):
        found[start : start + _SLICE] = work(*(a[start : start + _SLICE] for a in flat))
    return found.reshape(shape)


# -- demand that falls ------------------------------------------------------------------------------------------


def falling(
    rate: npt.ArrayLike,
    decline: npt.ArrayLike,
    hazard: npt.ArrayLike,
    pool: npt.ArrayLike,
    own: npt.ArrayLike,
    horizon: npt.ArrayLike,
    *,
    floor: npt.ArrayLike = 0,
    draw_pool_first: bool = True,
) -> Array:
    """Coverage where demand falls: rate(t) = rate exp(-decline t). Arguments otherwise as ``pool_first``; ``decline`` a year.

    No closed form is known, so the chain of (own, pool) is integrated backwards by fourth-order Runge-Kutta, the step a
    twelfth of the fastest mean time between two events; 1e-7 against a halved step. Chains of more than 200 units or 200,000
    steps are refused (``planning.chain``).
    """
    lam, delta, mu, q, k, t, f = np.broadcast_arrays(
        numbers("rate", rate), numbers("decline", decline, most=MOST_DECLINE), hazards("hazard", hazard), units("pool", pool),
        units("own", own), years(horizon), units("floor", floor),
    )  # fmt: skip
    shape = t.shape
    lam, delta, mu, q, k, t, f = (np.ravel(x) for x in (lam, delta, mu, q, k, t, f))
    f = np.minimum(f, q)
    found = np.ones(t.size)
    total = q + k
    if total.size and total.max() > MOST_CHAIN:
        raise invalid(
            "planning.chain",
            f"Coverage under falling demand is computed for up to {MOST_CHAIN} units of a part, not {int(total.max()):,}. "
            "With so many units, leave the decline out: coverage without it is the lower bound.",
        )
    # Parts of like length together, so that a long chain does not make the short ones wait.
    order = np.argsort(total + t * (lam + mu * q) * 1e-3, kind="stable")
    for start in range(0, t.size, _SLICE):
        at = order[start : start + _SLICE]
        walk = _one_line if draw_pool_first else _two_lines
        found[at] = walk(lam[at], delta[at], mu[at], q[at], k[at], t[at], f[at])
    return np.clip(found, 0.0, 1.0).reshape(shape)


MOST_CHAIN = 200
MOST_DECLINE = 10.0
_MOST_STEPS = 200_000


def _steps(speed: Array, t: Array) -> int:
    count = max(60, int(np.ceil(float((speed * t).max(initial=0.0)) * 12)))
    if count > _MOST_STEPS:
        raise invalid(
            "planning.chain",
            f"Coverage under falling demand would take {count:,} steps. Shorten the horizon, or leave the decline out.",
        )
    return count


def _one_line(lam: Array, delta: Array, mu: Array, q: Array, k: Array, t: Array, f: Array) -> Array:
    """Pool first: the number of units alone says what is left, since own units go last. State 0..n; below 0 is failure."""
    n = (q + k).astype(np.int64)
    states = np.arange(int(n.max(initial=0)) + 1)
    deaths = mu[:, None] * np.maximum(states - (k + f)[:, None], 0)
    deaths = np.where(states <= n[:, None], deaths, 0.0)
    count = _steps(lam + mu * np.maximum(q - f, 0), t)
    h = (t / count)[:, None]

    def slope(g: Array, at: Array) -> Array:
        demand = lam[:, None] * np.exp(-delta[:, None] * at)
        down = np.empty_like(g)
        down[:, 0] = 0.0
        down[:, 1:] = g[:, :-1]
        return (demand + deaths) * (down - g)

    g = _integrate(np.ones((t.size, states.size)), slope, h, t[:, None], count)
    return np.asarray(g[np.arange(t.size), n], dtype=np.float64)


def _two_lines(lam: Array, delta: Array, mu: Array, q: Array, k: Array, t: Array, f: Array) -> Array:
    """Own first: own units and pool are counted apart. Shape (parts, own, pool)."""
    own = np.arange(int(k.max(initial=0)) + 1)
    pool = np.arange(int(q.max(initial=0)) + 1)
    deaths = (mu[:, None] * np.maximum(pool - f[:, None], 0))[:, None, :]
    count = _steps(lam + mu * np.maximum(q.max(initial=0) - f, 0), t)
    h = (t / count)[:, None, None]

    def slope(g: Array, at: Array) -> Array:
        demand = lam[:, None, None] * np.exp(-delta[:, None, None] * at)
        used = np.zeros_like(g)
        used[:, :, 1:] = g[:, :, :-1]
        met = np.empty_like(g)
        met[:, 1:, :] = g[:, :-1, :]
        met[:, 0, :] = used[:, 0, :]
        return demand * (met - g) + deaths * (used - g)

    g = _integrate(np.ones((t.size, own.size, pool.size)), slope, h, t[:, None, None], count)
    return np.asarray(g[np.arange(t.size), k.astype(np.int64), q.astype(np.int64)], dtype=np.float64)


def _integrate(g: Array, slope: Callable[[Array, Array], Array], h: Array, t: Array, count: int) -> Array:
    """Fourth-order Runge-Kutta from the horizon back to now; ``slope(g, time)`` is minus dg/dt."""
    for step in range(count):
        at = t - step * h
        one = slope(g, at)
        two = slope(g + h / 2 * one, at - h / 2)
        three = slope(g + h / 2 * two, at - h / 2)
        four = slope(g + h * three, at - h)
        g = g + h / 6 * (one + 2 * two + 2 * three + four)
    return g

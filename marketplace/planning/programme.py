"""The exact optimum where money warrants it: a dynamic programme over units held and units with partners.

Between two events nothing changes but interest, holding and age; a demand is met from the own shelf, from a partner, or not at
all, whichever is worth most; a partner uses units above the minimum it must keep, and under first refusal each of them may be
bought before that. ``V(k, n)`` with k own units and n with partners follows

    -dV/dt = -iV - hk + lam(t) [max(v + V(k-1,n), v - b(t) - c + V(k,n-1), V) - V] + mu (n-F)^+ [X - V],

X = V(k,n-1), or under first refusal max(V(k,n-1), V(k+1,n-1) - b - c); lam(t) = lam0 exp(-delta t); at the horizon V = s_T k.
Obsolescence adds to the interest. Integrated backwards by fourth-order Runge-Kutta over all parts of a batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from marketplace.kit.errors import invalid
from marketplace.planning.inputs import Array, Flags, Ints, hazards, numbers, units, years
from marketplace.planning.marginals import Money

MOST_UNITS = 60
"""Of a part: the table has (units + 1)^2 places. Larger stocks are split by the marginals."""
_LEAST_STEPS = 160
_STEPS = 3.0
"""A mean time between two events: against steps an eighth as long, no place of 50 random tables of up to 24 units was off by more than 0.004 where a unit
is worth 1,000."""
_MOST_STEPS = 50_000
_PLACES = 1 << 16
"""Places of all tables that are integrated together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The best split of one part: units and money, and the whole table behind it."""

    keep: int
    release: int
    scrap: int
    worth: float
    table: Array
    """``table[k, n]``: worth of keeping k and releasing n and scrapping the rest; -inf where k + n is more than there is."""

    @property
    def scrap_all(self) -> float:
        """Worth of scrapping everything."""
        return float(self.table[0, 0])

    @property
    def keep_all(self) -> float:
        """Worth of keeping everything."""
        return float(self.table[-1, 0])

    @property
    def release_all(self) -> float:
        """Worth of releasing everything."""
        return float(self.table[0, -1])

    @property
    def without_release(self) -> tuple[int, float]:
        """The best number to keep where the rest is scrapped, and its worth."""
        best = int(np.argmax(self.table[:, 0]))
        return best, float(self.table[best, 0])


def best_plan(
    rate: float,
    hazard: float,
    horizon: float,
    money: Money,
    stock: int,
    *,
    decline: float = 0.0,
    floor: int = 0,
    first_refusal: bool = False,
    window: float | None = None,
) -> Plan:
    """The exact optimum of one part.

    ``rate``: demands a year now, falling by ``decline`` a year (continuously). ``hazard``: of a unit above ``floor`` to be used by
    its holder, a year. ``stock``: whole units, at most ``MOST_UNITS``. ``window``: years in which units can be called back (None:
    to the horizon). Raises ``planning.number``, ``planning.whole``, ``planning.hazard``, ``planning.programme``.
    """  # fmt: skip
    tables = _tables(
        np.atleast_1d(np.asarray(rate, np.float64)),
        hazard,
        horizon,
        money,
        stock,
        decline,
        floor,
        first_refusal,
        window,
    )
    table = tables[0]
    k, n = _best(table)
    return Plan(k, n, stock - k - n, float(table[k, n]), table)


def _best(table: Array) -> tuple[int, int]:
    """The best place; of equals the one that releases most, then keeps most: what is released or kept can still be scrapped."""
    close = np.argwhere(table >= table.max() - 1e-9 * max(1.0, abs(float(table.max()))))
    k, n = max(((int(a), int(b)) for a, b in close), key=lambda at: (at[1], at[0]))
    return k, n


@dataclass(frozen=True, slots=True)
class Plans:
    """The best splits of many parts: whole units and money, one number a part."""

    keep: Ints
    release: Ints
    worth: Array
    worth_kept: Array
    worth_scrapped: Array


def best_plans(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    horizon: npt.ArrayLike,
    money: Money,
    stock: npt.ArrayLike,
    *,
    decline: npt.ArrayLike = 0.0,
    floor: npt.ArrayLike = 0,
    first_refusal: npt.ArrayLike = False,
    window: npt.ArrayLike | None = None,
    may_release: npt.ArrayLike = True,
) -> Plans:
    """As ``best_plan`` for many parts, one number a part in every argument (or one for all), parts of like size together.

    ``may_release``: False where a part is protected. Raises what ``best_plan`` raises.
    """  # fmt: skip
    lam = np.atleast_1d(numbers("rate", rate))
    size = lam.size
    held, mu, t, delta, kept_by_holder = (
        np.broadcast_to(x, (size,))
        for x in (
            units("stock", stock), hazards("hazard", hazard), years(horizon), numbers("decline", decline), units("floor", floor),
        )
    )  # fmt: skip
    refusal = np.broadcast_to(np.asarray(first_refusal, np.bool_), (size,))
    free = np.broadcast_to(np.asarray(may_release, np.bool_), (size,))
    ends = t if window is None else np.broadcast_to(numbers("window", window), (size,))
    cash = money.arrays(size)
    found = Plans(np.zeros(size, np.int64), np.zeros(size, np.int64), *(np.zeros(size) for _ in range(3)))
    speed = (lam + mu * held + cash["interest"] + cash["obsolescence"]) * t
    order = np.lexsort((speed, held))
    start = 0
    while start < size:
        n = int(held[order[start]])
        stop = start + 1
        most = max(1, _PLACES // (n + 1) ** 2)
        while stop < size and stop - start < most and held[order[stop]] == n:
            stop += 1
        at = order[start:stop]
        some = Money(**{name: value[at] for name, value in cash.items()})
        tables = _tables(lam[at], mu[at], t[at], some, n, delta[at], kept_by_holder[at], refusal[at], ends[at])
        for row, part in enumerate(at):
            table = tables[row] if free[part] else np.where(np.arange(n + 1) == 0, tables[row], -np.inf)
            k, q = _best(table)
            found.keep[part], found.release[part], found.worth[part] = k, q, table[k, q]
            found.worth_kept[part], found.worth_scrapped[part] = table[n, 0], table[0, 0]
        start = stop
    return found


def _tables(
    lam: Array, hazard: npt.ArrayLike, horizon: npt.ArrayLike, money: Money, stock: int, decline: npt.ArrayLike, floor: npt.ArrayLike,
    first_refusal: npt.ArrayLike, window: npt.ArrayLike | None,
) -> Array:  # fmt: skip
    size = lam.size
    lam = numbers("rate", lam)
    if not 0 <= stock <= MOST_UNITS:
        raise invalid(
            "planning.programme",
            f"The exact programme takes up to {MOST_UNITS} units of a part, not {stock:,}. Split larger stocks by their marginal values.",
            field="stock",
        )
    mu, t, delta, f = (
        np.broadcast_to(x, (size,))[:, None, None]
        for x in (hazards("hazard", hazard), years(horizon), numbers("decline", decline), units("floor", floor))
    )
    refusal = np.broadcast_to(np.asarray(first_refusal, np.bool_), (size,))[:, None, None]
    ends = t if window is None else np.broadcast_to(numbers("window", window), (size,))[:, None, None]
    cash = {name: value[:, None, None] for name, value in money.arrays(size).items()}
    values = _solve(lam[:, None, None], delta, mu, f, t, ends, refusal, cash, stock)
    k = np.arange(stock + 1)[:, None]
    n = np.arange(stock + 1)
    total = values + cash["price"] * n + cash["scrap"] * (stock - k - n)
    return np.where(k + n <= stock, total, -np.inf)


def _solve(
    lam: Array,
    delta: Array,
    mu: Array,
    f: Array,
    t: Array,
    ends: Array,
    refusal: Flags,
    cash: dict[str, Array],
    stock: int,
) -> Array:
    """V_0 as (parts, k, n). Places with k + n above the stock are computed along and thrown away: squares are faster, and no place
    below looks at one above."""
    k = np.arange(stock + 1)[:, None]
    n = np.arange(stock + 1)
    discount = cash["interest"] + cash["obsolescence"]
    # After the window nothing can be called: its end is the end of a step, so that no step reaches over the jump.
    ends = np.minimum(ends, t)
    spans = [(t, t - ends, False), (ends, ends, True)]
    counts = [
        int(np.ceil(float(((lam + discount + mu * stock) * span).max(initial=0.0)) * _STEPS)) for _, span, _ in spans
    ]
    if max(counts) > _MOST_STEPS:
        raise invalid(
            "planning.programme",
            f"The exact programme would take {max(counts):,} steps, more than {_MOST_STEPS:,}: demand and use are too fast for the "
            "horizon. Split this part by its marginal values.",
        )
    use = (mu * np.maximum(n - f, 0))[:, :, 1:]
    rent = cash["holding"] * k
    v, call = cash["value"], cash["call_cost"]
    some_refusal = bool(refusal.any())

    def slope(value: Array, time: Array, reach: bool) -> Array:
        demand = lam * np.exp(-delta * time)
        back = cash["buy_back"] * np.exp(-cash["buy_back_falls"] * time) + call
        # What a unit less, here or with a partner, takes off the value; leaving a demand unmet takes off nothing.
        gain = np.zeros_like(value)
        np.maximum(v + value[:, :-1, :] - value[:, 1:, :], 0.0, out=gain[:, 1:, :])
        one_less = value[:, :, :-1] - value[:, :, 1:]
        if reach:
            np.maximum(gain[:, :, 1:], v - back + one_less, out=gain[:, :, 1:])
        if some_refusal and reach:
            bought = value[:, 1:, :-1] - back - value[:, :-1, 1:]
            one_less[:, :-1] = np.where(refusal, np.maximum(one_less[:, :-1], bought), one_less[:, :-1])
        gain *= demand
        gain[:, :, 1:] += use * one_less
        gain -= discount * value
        gain -= rent
        return gain

    value = np.broadcast_to(cash["scrap_at_end"] * k, (lam.shape[0], stock + 1, stock + 1)).astype(np.float64)
    for (start, span, reach), count in zip(spans, counts, strict=True):
        if not span.any():
            continue
        steps = max(count, _LEAST_STEPS)
        h = span / steps
        for step in range(steps):
            time = start - step * h
            one = slope(value, time, reach)
            two = slope(value + h / 2 * one, time - h / 2, reach)
            three = slope(value + h / 2 * two, time - h / 2, reach)
            four = slope(value + h * three, time - h, reach)
            value = value + h / 6 * (one + 2 * (two + three) + four)
    return value

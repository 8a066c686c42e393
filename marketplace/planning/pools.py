"""Coverage of a part whose units stand under many rights: each with its own window, minimum to keep, and holder.

``coverage.py`` has the closed forms of one pool with one hazard and one window. In a ledger a part's units stand under rights that
end at different days with holders of different habits, and no closed form is known. Here the number of units that can be reached is
walked forward quarter by quarter as a pure-death chain: demand of the field takes one, its holder uses one up, and at the end of a
right its units are out of reach. Demand is met from the right that ends first, which maximises coverage; so after an end at most as
many units are left as those of the later rights that nobody has used up. Exact where nobody uses anything up; otherwise the hazard is
the mean over the units expected there, which simulation finds within one hundredth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from marketplace.planning.inputs import Array, Ints, hazards, numbers, units

QUARTERS = 80
"""The walk goes twenty years ahead."""
LASTING = QUARTERS
"""The bin of rights that last as long as the walk."""
YEARS: Sequence[int] = (1, 5, 10, 20)
MOST_STATES = 100
"""A part with more units is walked in lots of several, which takes demand for lumpier than it is: a lower bound."""
_ROWS = 2_000
STEP = 0.25
_BEYOND = 60
_REACH = 8.0
"""Rate times step of one Taylor sum: with as many terms as that takes, no digit that is shown is lost to cancellation."""
_EXACT = 1e-9


@dataclass(frozen=True, slots=True)
class Pools:
    """What can be reached of each part. ``own``: units that no right limits. The others are (parts, bins): a bin is the number of
    whole quarters that the rights in it still last, rounded down; ``pool``: units, of them ``floor`` that holders must keep, ``use``:
    hazard a year of the others."""

    rate: Array
    decline: Array
    own: Array
    pool: Array
    floor: Array
    use: Array

    @classmethod
    def of(cls, rate: Array, own: Array, pool: Array, floor: Array, use: Array, decline: Array | None = None) -> Pools:
        """Checked: raises ``planning.number``, ``planning.whole``, ``planning.hazard``."""
        numbers("rate", rate), units("own", own), units("pool", pool), units("floor", floor), hazards("hazard", use)
        return cls(
            rate, np.zeros_like(rate) if decline is None else numbers("decline", decline), own, pool, np.minimum(floor, pool), use
        )  # fmt: skip

    def rows(self, at: slice | Ints) -> Pools:
        """Some of the parts."""
        return Pools(*(getattr(self, name)[at] for name in self.__slots__))

    @property
    def total(self) -> Array:
        """Units of each part that can be reached today."""
        return np.asarray(self.own + self.pool[:, 1:].sum(axis=1), dtype=np.float64)


def bins(years: Array) -> Ints:
    """The bin of rights that last so many years more; 0 for those that are over within the quarter."""
    return np.clip(np.floor(np.asarray(years) * 4 + 1e-9), 0, LASTING).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Outlook:
    """By part and year of ``YEARS``: ``sure`` that no demand goes unmet until then, and how many are expected to (``unmet``)."""

    sure: Array
    unmet: Array


def outlook(pools: Pools) -> Array:
    """(parts, 4): how sure no demand goes unmet within 1, 5, 10 and 20 years."""
    return foresee(pools).sure


def foresee(pools: Pools) -> Outlook:
    """As ``outlook``, and the demands that are expected to find nothing."""
    count = len(pools.rate)
    sure, unmet = np.ones((count, len(YEARS))), np.zeros((count, len(YEARS)))
    small, lot = _lumped(pools)
    # Parts of like speed and size together, so that a fast or a large one does not make the others wait.
    free = (small.pool[:, 1:] - small.floor[:, 1:]) * small.use[:, 1:]
    steps = np.minimum((small.rate + free.sum(axis=1)) * STEP, 2 * small.total + _BEYOND)
    pace = np.ceil(np.log2(np.maximum(steps, 0.125)))
    order = np.lexsort((small.total, pace))
    for start, stop in pairwise([0, *(np.flatnonzero(np.diff(pace[order])) + 1), count]):
        for first in range(start, stop, _ROWS):
            at = order[first : min(first + _ROWS, stop)]
            found = _walk(small.rows(at))
            sure[at], unmet[at] = np.clip(found.sure, 0.0, 1.0), found.unmet * lot[at, None]
    return Outlook(sure, unmet)


def _lumped(pools: Pools) -> tuple[Pools, Array]:
    """Parts of very many units in lots of several, so that the chain stays short; and how many units a lot has."""
    lot = np.maximum(np.ceil(pools.total / MOST_STATES), 1.0)
    if (lot == 1).all():
        return pools, lot
    wide = lot[:, None]
    return Pools(
        pools.rate / lot, pools.decline, np.floor(pools.own / lot), np.floor(pools.pool / wide), np.floor(pools.floor / wide), pools.use
    ), lot  # fmt: skip


def _walk(pools: Pools) -> Outlook:
    """The chain counts a demand that finds nothing as failure. Units only ever become fewer, so what is not in a state with units has
    none, whether or not it failed before: there a demand goes unmet."""
    size = int(pools.total.max(initial=0))
    states = np.arange(size + 1, dtype=np.float64)
    rows = np.arange(len(pools.rate))
    share = np.zeros((rows.size, size + 1))
    share[rows, pools.total.astype(np.int64)] = 1.0
    free = pools.pool - pools.floor
    found, missed, total = np.empty((rows.size, len(YEARS))), np.empty((rows.size, len(YEARS))), np.zeros(rows.size)
    step = STEP
    alive, ends = free.copy(), (pools.pool > 0).sum(axis=0)
    fade = np.exp(-pools.use * step)
    for quarter in range(QUARTERS):
        # Rights that last beyond this quarter; a bin of so many quarters is over after as many.
        later = slice(quarter + 1, None)
        weight = alive[:, later].sum(axis=1)
        use = np.divide(
            (alive[:, later] * pools.use[:, later]).sum(axis=1), weight, out=np.zeros(rows.size), where=weight > 1e-12
        )
        kept = pools.own + pools.floor[:, later].sum(axis=1)
        rate = pools.rate * np.exp(-pools.decline * (quarter + 0.5) * step)
        leave = rate[:, None] + use[:, None] * np.maximum(states - kept[:, None], 0.0)
        empty = 1.0 - share[:, 1:].sum(axis=1)
        # Where nothing is left, nothing moves any more.
        share = (
            _step(share, leave, step) if size and empty.min() < 1 - _EXACT else share * np.exp(-rate * step)[:, None]
        )
        total += rate * step * (empty + 1.0 - share[:, 1:].sum(axis=1)) / 2
        alive *= fade
        if quarter + 1 < QUARTERS and ends[quarter + 1]:
            beyond = slice(quarter + 2, None)
            most = pools.own + pools.floor[:, beyond].sum(axis=1) + alive[:, beyond].sum(axis=1)
            share = np.where(pools.pool[:, quarter + 1, None] > 0, _at_most(share, most, states), share)
        if (quarter + 1) % 4 == 0 and (quarter + 1) // 4 in YEARS:
            at = YEARS.index((quarter + 1) // 4)
            found[:, at], missed[:, at] = share.sum(axis=1), total
    return Outlook(found, missed)


def _step(share: Array, leave: Array, step: float) -> Array:
    """The chain after a quarter: below 0 is failure, by demand alone. The exponential of a bidiagonal matrix as a Taylor sum. Where
    a quarter asks for more than twice the units there are, it makes no difference how much more."""
    leave = np.minimum(leave, (2 * share.shape[1] + _BEYOND) / step)
    fastest = float(leave.max(initial=0.0)) * step
    pieces = max(1, int(np.ceil(fastest / _REACH)))
    reach, terms, left = fastest / pieces, 1, fastest / pieces
    while left > _EXACT:
        terms += 1
        left *= reach / terms
    h = step / pieces
    for _ in range(pieces):
        now = share
        for k in range(terms, 0, -1):
            gone = leave * now
            gone[:, :-1] -= gone[:, 1:]
            gone *= -h / k
            gone += share
            now = gone
        share = np.maximum(now, 0.0)
    return share


def _at_most(share: Array, most: Array, states: Array) -> Array:
    """At most so many units are left: what is above falls to the whole numbers beside ``most``, so that its mean is kept."""
    low = np.floor(most + 1e-9)
    part = np.clip(most - low, 0.0, 1.0)
    above = np.where(states > low[:, None], share, 0.0)
    total = above.sum(axis=1)
    kept = share - above
    rows = np.arange(low.size)
    last = share.shape[1] - 1
    kept[rows, np.minimum(low, last).astype(np.int64)] += total * (1 - part)
    # One unit more in so many of the cases.
    kept[rows, np.minimum(low + 1, last).astype(np.int64)] += total * part
    return kept


# -- calling units back -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """How many units to call back now: ``units`` of them, and how ``sure`` it is afterwards and how many demands are expected to find
    nothing (``unmet``); 0 units where nothing is worth it."""

    units: Array
    sure: Array
    unmet: Array


def candidates(most: Array, count: int = 8) -> Array:
    """(parts, count): numbers of units to try, from 1 to ``most``; every one up to ``count``, evenly spaced beyond."""
    steps = np.arange(1, count + 1)
    return np.maximum(np.minimum(np.ceil(steps * np.maximum(most, count)[:, None] / count), most[:, None]), 0)


def called(pools: Pools, count: Array) -> Pools:
    """The same parts after so many units came home, those first whose right ends first."""
    left = np.minimum(count, pools.pool[:, 1:].sum(axis=1))
    before = np.cumsum(pools.pool[:, 1:], axis=1) - pools.pool[:, 1:]
    taken = np.clip(left[:, None] - before, 0.0, pools.pool[:, 1:])
    pool = pools.pool.copy()
    pool[:, 1:] -= taken
    return Pools(pools.rate, pools.decline, pools.own + left, pool, np.minimum(pools.floor, pool), pools.use)


def how_many(pools: Pools, horizon: int, least: Array, cost: Array, missing: Array) -> Call:
    """How many units to call back now. ``horizon``: place in ``YEARS``, ``least``: coverage to reach (NaN: none is stated), ``cost``:
    of calling a unit, ``missing``: of a demand that finds nothing (either NaN: not known).

    The fewest that reach ``least``; where none do, or none is stated, those that are worth most: the demands that find something for it
    times what a missing unit costs, less what calling them costs. 0 where that is never above nothing."""
    tried = candidates(pools.pool[:, 1:].sum(axis=1))
    parts, width = tried.shape
    # None at all comes first, to compare with.
    tried = np.concatenate([np.zeros((parts, 1)), tried], axis=1)
    rows = np.repeat(np.arange(parts), width + 1)
    found = foresee(called(pools.rows(rows), tried.ravel()))
    sure, unmet = (x[:, horizon].reshape(parts, width + 1) for x in (found.sure, found.unmet))
    gain = (unmet[:, :1] - unmet) * missing[:, None] - tried * cost[:, None]
    gain = np.where(np.isnan(gain), -np.inf, gain)
    gain[:, 0] = 0.0
    enough = (sure >= least[:, None]) & (tried > 0)
    at = np.where(enough.any(axis=1), np.argmax(enough, axis=1), np.argmax(gain, axis=1))
    line = np.arange(parts)
    return Call(tried[line, at], sure[line, at], unmet[line, at])

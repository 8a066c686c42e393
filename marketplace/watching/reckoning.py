"""The watch in figures: what is reached of each part and how fast it is used goes in, rows with findings and proposals come out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from marketplace.advising.using import Holders
from marketplace.planning.inputs import Array, Flags, Ints
from marketplace.planning.pools import LASTING, YEARS, Pools, bins, foresee, how_many, outlook

CHUNK = 8_192
Columns = dict[str, npt.NDArray[Any]]
MONTHS = 12


class Level(IntEnum):
    """How much hangs on a part."""

    ORDINARY = 0
    IMPORTANT = 1
    VITAL = 2


class Found(IntFlag):
    """What a run finds of a part."""

    LAPSE = 1
    FLOOR = 2
    FAST = 4
    COVERAGE = 8


class Note(IntFlag):
    """What the figures of a part rest on, or leave out."""

    UNPRICED = 1
    """Of some units it is not known what calling them costs."""
    CONVERTED = 2
    """Some prices are in another currency, taken at the company's own rate."""
    FOLLOWS = 4
    """Some prices follow an index, a list, a cost or a market: they are those of today."""
    NOT_REPLACED = 8
    """Some units are drawn: counted as paid, not as replaced by an equal one."""
    RENEWS = 16
    """Some rights go on by themselves unless somebody gives notice: covered counts them as going on, firm does not."""
    MAY_RENEW = 32
    """Some rights go on if both sides agree: nothing counts on that."""
    DECLINES = 64
    """Some minimum to keep declines: counted as what is left of it in the end."""


KINDS: Mapping[str, Found] = {
    "lapse": Found.LAPSE,
    "floor": Found.FLOOR,
    "fast": Found.FAST,
    "coverage": Found.COVERAGE,
}

FIELDS: Sequence[tuple[str, str]] = (
    ("run_id", "uuid"), ("part_id", "uuid"),
    *((n, "int4") for n in ("own", "coming", "pool", "firm_pool", "floor", "holders", "lapsing", "call_units")),
    *((n, "int2") for n in ("level", "flags", "notes")),
    *((n, "float8") for n in ("money", "cost", "call_price", "call_cost")),
    *((n, "float4") for n in ("rate", "decline", "use_rate", "lapses_in", "least", "sure", "call_sure", "unmet", "call_unmet")),
    *((f"{n}_{y}", "float4") for n in ("cover", "firm", "alone") for y in YEARS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """What the watch looks for; see ``WatchSetting``. ``least``: by ``Level``, None where it is not watched."""

    horizon: int = 10
    least: tuple[float | None, float | None, float | None] = (0.5, 0.8, 0.95)
    lapse_months: int = 12
    missing_times: float = 3.0

    def as_kept(self) -> dict[str, Any]:
        """As it is kept with a run."""
        return {"horizon": self.horizon, "least": list(self.least), "lapse_months": self.lapse_months, "missing_times": self.missing_times}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lines:
    """What holders have under rights: a row for each part and agreement. ``part``, ``holder``: places; ``units`` that can be called,
    ``floor`` of them to keep, ``coming``: reserved, on their way home; ``short``: units missing from the minimum; ``spare``: units
    above it; ``years`` that they can be called, ``renewed``: with the renewals that come by themselves; ``price``: of a call now, in the
    company's currency (NaN: not known); ``notes``: as ``Note``."""

    part: Ints
    holder: Ints
    units: Array
    floor: Array
    coming: Array
    spare: Array
    short: Flags
    keep: Array
    years: Array
    renewed: Array
    firm: Flags
    price: Array
    notes: Ints

    def rows(self, at: Any) -> Lines:
        """Some of them."""
        return Lines(*(getattr(self, name)[at] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Parts:
    """One row a part, ordered by its id."""

    part_id: npt.NDArray[np.bytes_]
    own: Array
    cost: Array
    rate: Array
    decline: Array
    level: Ints
    assumed: Flags
    """Nothing is on record of what was asked for: the rate is the one of the catalogue, too little to sound an alarm on."""


def watch(parts: Parts, lines: Lines, holders: Holders, setting: Setting) -> Columns:
    """The rows of these parts; ``lines`` are all of them, with places in ``parts``."""
    size = len(parts.part_id)
    use = np.minimum(holders.learnt, 10.0)[lines.holder] if len(lines.part) else np.zeros(0)
    coming = np.bincount(lines.part, weights=lines.coming, minlength=size)
    own = parts.own + coming
    lasting = replace(lines, years=lines.renewed)
    whole = _pools(parts, own, lasting, use)
    at = YEARS.index(setting.horizon)
    seen = foresee(whole)
    cover, unmet = seen.sure, seen.unmet[:, at].copy()
    firm_pool, firm = whole.pool[:, 1:].sum(axis=1), cover.copy()
    renews = lines.renewed > lines.years
    some = np.unique(lines.part[(~lines.firm | renews) & (lines.units > 0)])
    if some.size:
        without = lines.rows(lines.firm)
        firmly = _pools(parts, own, without, use[lines.firm])
        seen = foresee(firmly.rows(some))
        firm[some], unmet[some] = seen.sure, seen.unmet[:, at]
        firm_pool[some] = firmly.pool[some, 1:].sum(axis=1)
    alone = _one_fails(whole, firm, lasting, use)

    pool = whole.pool[:, 1:].sum(axis=1)
    weight = np.bincount(lines.part, weights=lines.units, minlength=size)
    use_rate = _mean(lines.part, lines.units, use, size)
    known = ~np.isnan(lines.price)
    price = _mean(lines.part[known], lines.units[known], lines.price[known], size)
    soon = (lines.units > 0) & (lines.renewed * MONTHS <= setting.lapse_months)
    lapsing = np.bincount(lines.part, weights=np.where(soon, lines.units, 0.0), minlength=size)
    first = np.full(size, np.nan, dtype=np.float64)
    order = np.flatnonzero(lines.units > 0)
    np.fmin.at(first, lines.part[order], lines.renewed[order])
    notes = np.zeros(size, np.int64)
    np.bitwise_or.at(notes, lines.part[order], lines.notes[order])

    flags = np.zeros(size, np.int64)
    flags[lapsing > 0] |= Found.LAPSE
    # A minimum that is broken already, or that this holder's own pace reaches within a year.
    pace = holders.used[lines.holder] > 0 if len(lines.part) else np.zeros(0, np.bool_)
    danger = (lines.keep > 0) & (
        lines.short | (pace & (lines.spare > 0) & (use * (lines.spare + lines.keep) >= lines.spare))
    )
    flags[np.unique(lines.part[danger])] |= Found.FLOOR
    if len(lines.part):
        flags[np.unique(lines.part[holders.fast[lines.holder] & (lines.units > 0)])] |= Found.FAST

    sure = firm[:, at]
    levels = np.array([np.nan if share is None else share for share in setting.least])
    least = levels[parts.level]
    # Of a part that nobody has a unit of there is nothing to lose any more, and nothing to call: it is no finding.
    flags[(sure < least) & (own + pool > 0) & ~parts.assumed] |= Found.COVERAGE

    cost = np.where(np.isnan(parts.cost), price, parts.cost)
    missing = setting.missing_times * cost
    units, after, still = np.zeros(size), sure.copy(), unmet.copy()
    asked = np.flatnonzero((flags > 0) & (firm_pool > 0) & ~parts.assumed)
    if asked.size:
        firmly = _pools(parts, own, lines.rows(lines.firm), use[lines.firm]).rows(asked)
        short = np.where(sure[asked] < least[asked], least[asked], np.nan)
        found = how_many(firmly, at, short, price[asked], missing[asked])
        units[asked], after[asked], still[asked] = found.units, found.sure, found.unmet
    # What lies at stake: the demands that are expected to find nothing, at what each costs.
    money = np.where((flags > 0) & ~parts.assumed, np.nan_to_num(unmet * missing), 0.0)
    return {
        "part_id": parts.part_id, "own": parts.own, "coming": coming, "pool": pool, "firm_pool": firm_pool,
        "floor": whole.floor[:, 1:].sum(axis=1), "holders": _holders(lines, size), "lapsing": lapsing, "call_units": units,
        "level": parts.level, "flags": flags, "money": money, "cost": cost, "call_price": price,
        "call_cost": np.where(units > 0, units * price, 0.0), "notes": notes, "rate": parts.rate, "decline": parts.decline,
        "use_rate": np.where(weight > 0, use_rate, np.nan), "lapses_in": first, "least": least, "sure": sure, "call_sure": after, "unmet": unmet, "call_unmet": still,
        **{f"{n}_{y}": c[:, k] for n, c in (("cover", cover), ("firm", firm), ("alone", alone)) for k, y in enumerate(YEARS)},
    }  # fmt: skip


def _pools(parts: Parts, own: Array, lines: Lines, use: Array) -> Pools:
    size = len(parts.part_id)
    place = bins(lines.years)
    pool, floor, speed = (np.zeros((size, LASTING + 1)) for _ in range(3))
    np.add.at(pool, (lines.part, place), lines.units)
    np.add.at(floor, (lines.part, place), lines.floor)
    free = lines.units - lines.floor
    np.add.at(speed, (lines.part, place), free * use)
    # The mean over units that are free to be used; where none is, it does not matter.
    speed = np.divide(speed, pool - floor, out=np.zeros_like(speed), where=pool - floor > 0)
    return Pools(parts.rate, parts.decline, own, pool, floor, speed)


def _one_fails(whole: Pools, firm: Array, lines: Lines, use: Array) -> Array:
    """How sure it stays without the one holder whose failing does most harm, at each horizon: each is left out once."""
    found = firm.copy()
    there = np.flatnonzero(lines.units > 0)
    if not there.size:
        return found
    pairs, back = np.unique(np.stack([lines.part[there], lines.holder[there]], axis=1), axis=0, return_inverse=True)
    back = back.ravel()
    for start in range(0, len(pairs), CHUNK):
        stop = min(start + CHUNK, len(pairs))
        mine = there[(back >= start) & (back < stop)]
        row = back[(back >= start) & (back < stop)] - start
        some = whole.rows(pairs[start:stop, 0])
        pool, floor = some.pool.copy(), some.floor.copy()
        speed = some.use * (pool - floor)
        place = bins(lines.years[mine])
        np.subtract.at(pool, (row, place), lines.units[mine])
        np.subtract.at(floor, (row, place), lines.floor[mine])
        np.subtract.at(speed, (row, place), (lines.units[mine] - lines.floor[mine]) * use[mine])
        free = pool - floor
        left = Pools(
            some.rate, some.decline, some.own, pool, floor,
            np.divide(np.maximum(speed, 0.0), free, out=np.zeros_like(speed), where=free > 1e-9),
        )  # fmt: skip
        np.minimum.at(found, pairs[start:stop, 0], outlook(left))
    return found


def _mean(part: Ints, weights: Array, values: Array, size: int) -> Array:
    total = np.bincount(part, weights=weights, minlength=size)
    summed = np.bincount(part, weights=weights * values, minlength=size)
    found: Array = np.divide(summed, total, out=np.full(size, np.nan), where=total > 0)
    return found


def _holders(lines: Lines, size: int) -> Ints:
    there = lines.units > 0
    pairs = np.unique(np.stack([lines.part[there], lines.holder[there]], axis=1), axis=0)
    found: Ints = np.bincount(pairs[:, 0].astype(np.int64), minlength=size)
    return found


def watch_all(parts: Parts, lines: Lines, holders: Holders, setting: Setting) -> Columns:
    """As ``watch``, chunk by chunk: the bins of a hundred thousand parts would take 200 MB at once."""
    order = np.argsort(lines.part, kind="stable")
    lines = lines.rows(order)
    found: list[Columns] = []
    for start in range(0, max(len(parts.part_id), 1), CHUNK):
        stop = min(start + CHUNK, len(parts.part_id))
        some = slice(*np.searchsorted(lines.part, [start, stop]))
        here = lines.rows(some)
        own = Parts(*(getattr(parts, name)[start:stop] for name in Parts.__slots__))
        moved = Lines(here.part - start, *(getattr(here, name) for name in Lines.__slots__[1:]))
        found.append(watch(own, moved, holders, setting))
    return {name: np.concatenate([c[name] for c in found]) for name in found[0]}


def totals(columns: Columns, setting: Setting) -> dict[str, Any]:
    """What a run comes to: how many parts each kind of finding has, and the call-back list in units and money."""
    flags = columns["flags"]
    called = columns["call_units"] > 0
    demanded = columns["rate"] > 0
    weight = np.nan_to_num(columns["rate"] * columns["cost"])
    sure = columns["sure"]
    return {
        "parts": len(flags), "findings": {name: int(((flags & bit) > 0).sum()) for name, bit in KINDS.items()}, "found": int((flags > 0).sum()),
        "by_level": {str(int(level)): int(((flags > 0) & (columns["level"] == level)).sum()) for level in Level},
        "calls": int(called.sum()), "call_units": int(columns["call_units"].sum()), "call_cost": float(np.nan_to_num(columns["call_cost"]).sum()),
        "unpriced": int(np.isnan(columns["call_cost"]).sum()), "notes": {str(n.value): int(((columns["notes"] & n) > 0).sum()) for n in Note},
        "averted": float(np.nan_to_num((columns["unmet"] - columns["call_unmet"]) * columns["cost"] * setting.missing_times).sum()),
        "sure": float(np.average(sure[demanded], weights=weight[demanded])) if weight[demanded].sum() > 0 else None,
        "pool": int(columns["pool"].sum()), "firm_pool": int(columns["firm_pool"].sum()), "lapsing": int(columns["lapsing"].sum()),
        "horizon": setting.horizon,
    }  # fmt: skip

"""A run under limits that hold for all parts, the frontier of money against coverage, and what is left when one partner fails. Pure.

All of it is reckoned from the columns of a run, by the marginal values: what the exact programme decided is weighed like the rest, so that
like is compared with like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import special

from marketplace.advising.reckoning import CHUNK, Columns, Kind, Mark, advice_of, parts_of
from marketplace.kit.errors import invalid
from marketplace.planning.advice import Policy, cover, even_rate, hazard_of, window_of
from marketplace.planning.clauses import Reach, read
from marketplace.planning.coverage import pool_first
from marketplace.planning.inputs import MOST_YEARS, Array, Flags, Ints, added, numbers
from marketplace.planning.portfolio import FRONTIER_POINTS, Chosen, Options, choose, options, towards
from marketplace.planning.portfolio import scenarios as what_if

_WIDE = ("keep", "release", "scrap", "worth", "cash", "coverage", "space")
_TRIED, _WIDEST = 61, 12.0
MOST_MOVED = 100_000
"""The frontier moves so many parts, those with the most money in stock; the others stay as advised."""
USUAL_LEAST: Mapping[int, float] = {0: 0.5, 1: 0.8, 2: 0.95}
"""Coverage by criticality that a company asks for unless it says otherwise, as the watch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a scenario has to keep, beside its assumptions. ``cash``: money that has to come in at once; ``kept``: units that there is
    room for in all; ``least``: coverage that each part of a criticality has to reach. ``share``: instead of the most worth, the point
    of the frontier so far from the most coverage (0) to the most cash (1)."""

    cash: float = 0.0
    kept: float | None = None
    least: Mapping[int, float] = field(default_factory=dict)
    share: float | None = None

    @property
    def some(self) -> bool:
        """Whether there are any."""
        return bool(self.cash or self.kept is not None or self.least or self.share is not None)

    def check(self) -> None:
        """Raises ``planning.number`` for what cannot be, ``advice.limits`` for a point of the frontier with limits beside it."""
        numbers("cash target", self.cash)
        if self.kept is not None:
            numbers("units kept", self.kept)
        for share in self.least.values():
            numbers("least coverage", share, most=1.0)
        if self.share is not None:
            numbers("place on the frontier", self.share, most=1.0)
            if self.cash or self.kept is not None or self.least:
                raise invalid(
                    "advice.limits",
                    "A point of the frontier has its own money and coverage: leave the limits out, or the point.",
                )

    def as_kept(self) -> dict[str, Any]:
        """As it is kept with a run."""
        return {
            "cash": self.cash,
            "kept": self.kept,
            "least": {str(k): v for k, v in self.least.items()},
            "share": self.share,
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> Limits:
        """The other way round."""
        if not kept:
            return cls()
        return cls(kept["cash"], kept["kept"], {int(k): v for k, v in kept["least"].items()}, kept["share"])


def _options(columns: Columns, at: Ints, policy: Policy) -> Options:
    """What can be done with these parts, chunk by chunk."""
    made: list[Options] = []
    for start in range(0, at.size, CHUNK):
        some = at[start : start + CHUNK]
        one = options(advice_of({n: c[some] for n, c in columns.items()}, policy))
        # Half as wide: of a million parts all options are 250 MB.
        narrow = {n: getattr(one, n).astype(np.float32) for n in _WIDE}
        made.append(replace(one, **narrow, weight=weights({"level": columns["level"][some]})))
    joined = {n: np.concatenate([getattr(o, n) for o in made]) for n in (*_WIDE, "weight")}
    return Options(made[0].names, **joined)


def _moved(columns: Columns) -> Ints:
    """The parts that a frontier moves."""
    money = np.where(columns["advised"], columns["stock"] * np.nan_to_num(columns["cost"]), -1.0)
    at = np.argsort(-money, kind="stable")[:MOST_MOVED]
    return np.sort(at[money[at] > 0])


def weights(columns: Mapping[str, Any]) -> Array:
    """How much a part's coverage counts: one more than its criticality. By demand or money a few parts that are asked for all the time,
    and that no stock covers for years, would hide all the others."""
    return 1.0 + np.asarray(columns["level"], dtype=np.float64)


def mean(weight: Array, sure: Array) -> float:
    """Share of the parts, by weight, that are expected to see no demand go unmet."""
    total = float(weight.sum())
    return float((weight * sure).sum()) / total if total > 0 else float(sure.mean()) if sure.size else 1.0


def limit(columns: Columns, policy: Policy, limits: Limits) -> list[str]:
    """Decides the parts once more under these limits, in place; answers the limits that no choice keeps, in words."""
    if limits.share is not None:
        at = _moved(columns)
        if not at.size:
            return []
        given = _options(columns, at, policy)
        chosen = towards(given, limits.share)
    else:
        at = np.flatnonzero(columns["advised"])
        if not at.size:
            return []
        given = _options(columns, at, policy)
        chosen = choose(
            given, cash_target=limits.cash, most_space=_room(columns, limits), least_coverage=dict(limits.least), criticality=columns["level"][at]
        )  # fmt: skip
    _take(columns, at, given, chosen.option, policy)
    return [*chosen.short, *_crowded(columns, limits)]


def _crowded(columns: Columns, limits: Limits) -> list[str]:
    """Where what has no advice, and so stays, takes more room than there is."""
    stays = int(columns["stock"][~columns["advised"]].sum())
    if limits.kept is None or stays <= limits.kept:
        return []
    return [f"{stays:,} units of parts without advice stay: more than the {limits.kept:,.0f} that there is room for."]


def _room(columns: Columns, limits: Limits) -> float | None:
    """Units of parts without advice stay, and take of the room."""
    if limits.kept is None:
        return None
    return max(limits.kept - float(columns["stock"][~columns["advised"]].sum()), 0.0)


def _take(columns: Columns, at: Ints, given: Options, option: Ints, policy: Policy) -> None:
    """These options as what is advised, where they are something else than was."""
    for name in ("keep", "release", "scrap"):
        columns[name] = columns[name].astype(np.int64)
    preset = np.where(given.of("release", option) > 0, (option - 2) // 2, -1)
    new = {n: given.of(n, option).round().astype(np.int64) for n in ("keep", "release", "scrap")}
    same = (preset == columns["preset"][at]) & np.all([new[n] == columns[n][at] for n in new], axis=0)
    for name, value in new.items():
        columns[name][at] = value
    columns["preset"][at] = preset
    worth = given.of("worth", option)
    columns["worth"][at], columns["worth_kept"][at] = worth, given.worth[:, 0].astype(np.float64)
    columns["stake"][at] = worth - columns["worth_kept"][at]
    columns["exact"][at], columns["steady"][at[~same]] = False, True
    columns["marks"][at[~same]] &= ~Mark.UNSTEADY
    columns["advice"][at] = np.where(
        new["release"] > 0, Kind.RELEASE, np.where(new["scrap"] > 0, Kind.SCRAP, Kind.KEEP)
    )
    for place, name in enumerate(policy.presets):
        rows = at[preset == place]
        if rows.size:
            columns["hazard"][rows] = hazard_of(parts_of({n: c[rows] for n, c in columns.items()}), policy, read(name))
    for start in range(0, at.size, CHUNK):
        some = at[start : start + CHUNK]
        found = advice_of({n: c[some] for n, c in columns.items()}, policy)
        cover(found, np.arange(some.size))
        for name in ("cash", "before", "after", "cautious"):
            columns[name][some] = getattr(found, name)


def frontier(columns: Columns, policy: Policy) -> list[dict[str, float]]:
    """From the most coverage to the most cash: ``share``, ``cash``, ``sure`` (weighted mean), ``worth``, units kept, released, scrapped."""
    at = _moved(columns)
    if not at.size:
        return []
    given = _options(columns, at, policy)
    rest = np.ones(columns["stock"].size, np.bool_)
    rest[at] = False
    weight = weights(columns)
    sure = np.where(columns["advised"], columns["after"], columns["before"])
    outside, total = float((weight[rest] * sure[rest]).sum()), max(float(weight.sum()), 1e-300)
    inside = float(given.weight.sum())
    fixed = {n: float(columns[n][rest & columns["advised"]].sum()) for n in ("cash", "worth")}
    stays = {n: float(columns[n][rest].sum()) for n in ("keep", "release", "scrap")}
    return [
        {
            "share": share, "cash": point.cash + fixed["cash"], "worth": point.worth + fixed["worth"], "sure": (point.coverage * inside + outside) / total,
            **{n: float(given.of(n, point.option).sum()) + stays[n] for n in stays},
        }
        for share, point in _spread(given)
    ]  # fmt: skip


def _spread(given: Options) -> list[tuple[float, Chosen]]:
    """Points that lie about as far from each other on the picture: one exchange of coverage for cash is not like another, so many are
    tried and few are kept."""
    tried = [
        (share, towards(given, share))
        for share in (0.0, *special.expit(np.linspace(-_WIDEST, _WIDEST, _TRIED)).tolist(), 1.0)
    ]
    cash, sure = (np.array([getattr(p, n) for _, p in tried]) for n in ("cash", "coverage"))
    far = np.abs(np.diff(cash)) / max(float(np.ptp(cash)), 1e-300) + np.abs(np.diff(sure)) / max(
        float(np.ptp(sure)), 1e-300
    )
    along = np.concatenate([[0.0], np.cumsum(far)])
    at = np.unique(np.searchsorted(along, np.linspace(0.0, along[-1], FRONTIER_POINTS)))
    kept: list[tuple[float, Chosen]] = []
    for one in (tried[n] for n in at.tolist()):
        if not kept or (one[1].cash, one[1].coverage) != (kept[-1][1].cash, kept[-1][1].coverage):
            kept.append(one)
    return kept


MOST_SENSITIVE = 10_000
"""What if an assumption is wrong is asked of so many parts, those with the most money in stock."""


def sensitivity(columns: Columns, policy: Policy) -> dict[str, Any]:
    """What comes of the parts with the most money under other assumptions, each by itself: ``outcomes`` with the name, units, cash at once
    and worth of the advice that there would be if it were known; ``parts``: how many were asked, ``tied_up`` in them at cost. By marginal
    values, limits left out."""
    money = np.where(columns["advised"], columns["stock"] * np.nan_to_num(columns["cost"]), -1.0)
    at = np.argsort(-money, kind="stable")[:MOST_SENSITIVE]
    at = np.sort(at[money[at] > 0])
    if not at.size:
        return {"parts": 0, "outcomes": []}
    found = what_if(parts_of({n: c[at] for n, c in columns.items()}), policy)
    return {
        "parts": int(at.size), "tied_up": float(money[at].sum()),
        "outcomes": [
            {"name": o.scenario.name, "keep": o.keep, "release": o.release, "scrap": o.scrap, "cash": o.cash, "worth": o.worth} for o in found
        ],
    }  # fmt: skip


# -- what a run comes to beside its sums -------------------------------------------------------------------------


def in_short(columns: Columns, least: Mapping[int, float]) -> dict[str, Any]:
    """Weighted coverage as advised, kept and at the upper end of demand, and how many parts of each criticality with demand are covered
    less than ``least``."""
    weight, advised = weights(columns), columns["advised"]
    sure = {
        "after": np.where(advised, columns["after"], columns["before"]), "before": columns["before"],
        "cautious": np.where(advised, columns["cautious"], columns["before"]),
    }  # fmt: skip
    below = {
        str(level): int(((columns["level"] == level) & (sure["after"] < share)).sum())
        for level, share in sorted(least.items())
    }
    return {
        "sure": {n: mean(weight, s) for n, s in sure.items()},
        "least": {str(k): v for k, v in least.items()},
        "below": below,
    }


@dataclass(frozen=True, slots=True)
class Held:
    """What partners hold today of the parts of a run: a row a part and partner. ``part``, ``holder``: places; ``units`` that can be
    called, ``floor`` of them to keep; ``years`` that the right lasts; ``hazard`` of the partner."""

    part: Ints
    holder: Ints
    units: Array
    floor: Array
    years: Array
    hazard: Array

    def rows(self, at: Flags | Ints) -> Held:
        """Some of them."""
        return Held(*(getattr(self, name)[at] for name in self.__slots__))


MOST_TOLD = 10


def stress(columns: Columns, policy: Policy, held: Held, holders: Sequence[str]) -> dict[str, Any]:
    """Weighted coverage of what is kept, released as advised and with partners already, and without one of them in turn (the worst first);
    ``taker``: without whoever takes what is released, one for all of it. Rights that end apart are taken at their mean."""
    weight = weights(columns)
    every = _Pooled(columns, policy)
    whole = every.sure(np.arange(weight.size), held)
    base, total = mean(weight, whole), max(float(weight.sum()), 1e-300)
    taker = whole.copy()
    released = np.flatnonzero(every.released > 0)
    taker[released] = every.sure(released, held, without_release=True)
    found = []
    order = np.argsort(held.holder, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(held.holder[order])) + 1):
        if not some.size:
            continue
        mine = np.unique(held.part[some])
        others = held.rows((held.holder != held.holder[some[0]]) & np.isin(held.part, mine))
        left = every.sure(mine, others)
        lost = float((weight[mine] * (whole[mine] - left)).sum()) / total
        found.append({
            "holder": holders[int(held.holder[some[0]])], "units": float(held.units[some].sum()), "parts": int(mine.size), "sure": base - max(lost, 0.0),
            "worst": float((whole[mine] - left).max(initial=0.0)),
        })  # fmt: skip
    found.sort(key=lambda h: (h["sure"], h["holder"]))
    return {
        "sure": base,
        "taker": mean(weight, taker),
        "released": int(released.size),
        "holders": found[:MOST_TOLD],
        "count": len(found),
    }


class _Pooled:
    """Own units kept, what is released, and what partners have already, as one pool for each part."""

    def __init__(self, columns: Columns, policy: Policy) -> None:
        self._parts, self._policy = parts_of(columns), policy
        self._rate = even_rate(self._parts.rate, self._parts.decline, policy.horizon)
        self._keep = np.where(columns["advised"], columns["keep"], columns["stock"]).astype(np.float64)
        size = self._keep.size
        self.released, self._floor, self._window = np.zeros(size), np.zeros(size), np.zeros(size)
        for place, name in enumerate(policy.presets):
            rows, terms = np.flatnonzero(columns["preset"] == place), read(name)
            if not rows.size or terms.reach is Reach.NONE:
                continue
            units = columns["release"][rows].astype(np.float64)
            self.released[rows] = np.minimum(units, terms.floor) if terms.reach is Reach.FLOOR else units
            self._floor[rows] = np.minimum(units, terms.floor)
            self._window[rows] = window_of(terms, policy)
        self._hazard = np.asarray(columns["hazard"], dtype=np.float64)

    def sure(self, at: Ints, held: Held, *, without_release: bool = False) -> Array:
        """Coverage of these parts, with what ``held`` says that partners have of them."""
        size = self._keep.size
        units = added(held.part, held.units, size)[at]
        floor = added(held.part, held.floor, size)[at]
        use = added(held.part, held.units * held.hazard, size)[at]
        lasts = np.minimum(held.years, MOST_YEARS) if not self._policy.renewed else np.full(held.years.size, MOST_YEARS)
        years = added(held.part, held.units * lasts, size)[at]
        if not without_release:
            new = self.released[at]
            units, floor = units + new, floor + self._floor[at]
            use, years = use + new * self._hazard[at], years + new * self._window[at]
        there = np.maximum(units, 1.0)
        return pool_first(
            self._rate[at], np.minimum(use / there, 10.0), units, self._keep[at], self._policy.horizon, floor=np.minimum(floor, units), window=years / there
        )  # fmt: skip

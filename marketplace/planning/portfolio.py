"""Across parts: choosing among what can be done with each of them under limits that hold for all, the frontier of cash against
coverage, and what happens when a holder drops out or an assumption was wrong.

Each part has a few options; one is taken of each. Limits are priced (Lagrange multipliers, found by halving), which is exact at the
corners of the frontier and leaves less than one part's money on the table between them (Everett 1963, Operations Research 11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from marketplace.kit.errors import invalid
from marketplace.planning.advice import (
    Advice,
    Parts,
    Policy,
    Progress,
    advise,
    even_rate,
    hazard_of,
    money_of,
    window_of,
)
from marketplace.planning.clauses import Reach, read
from marketplace.planning.coverage import poisson_cdf, pool_first
from marketplace.planning.inputs import Array, Flags, Ints, hazards, numbers, units, years
from marketplace.planning.marginals import MOST_TERMS, Money, split, values

_HALVINGS = 50
_SAME_PRICE = 1e-12
LEVELS = ("ordinary", "important", "vital")
"""Criticality in words, from 0."""
FRONTIER_POINTS = 21
_CELLS = 1 << 21


@dataclass(frozen=True, slots=True)
class Options:
    """What can be done with each part: arrays (parts, options)."""

    names: tuple[str, ...]
    """Of each option."""
    keep: Array
    release: Array
    scrap: Array
    worth: Array
    """In the long run; -inf where an option is closed to a part."""
    cash: Array
    """At once."""
    coverage: Array
    space: Array
    """That the kept units take."""
    weight: Array
    """(parts,): how much a part's coverage counts, its yearly demand at cost times one more than its criticality."""

    @property
    def parts(self) -> int:
        """Number of parts."""
        return int(self.worth.shape[0])

    def of(self, name: str, chosen: Ints) -> Array:
        """One of the arrays at the chosen options: one number a part."""
        return np.asarray(getattr(self, name)[np.arange(self.parts), chosen], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One option of each part, and their sums."""

    option: Ints
    worth: float
    cash: float
    coverage: float
    """Mean over the parts, by their weight."""
    space: float
    short: tuple[str, ...] = ()
    """Limits that no choice keeps, in words: the choice comes as near as it can."""


def options(advice: Advice) -> Options:
    """What can be done with each part: keep all, scrap all, the best split under each set of terms, and for each to release all.

    Parts that are not advised on keep all. By the marginal values, whatever was decided exactly.
    """
    policy, parts = advice.policy, advice.parts
    size = parts.stock.size
    rate = even_rate(parts.rate, parts.decline, policy.horizon)
    held = parts.stock
    zero = np.zeros(size)
    made: list[tuple[str, Array, Array, Array, Array, Array, Array]] = []
    first = read(policy.presets[0])
    money = money_of(parts, policy, first)
    scrap = np.asarray(money.scrap)
    kept = split(rate, 0.0, policy.horizon, money, held, may_release=False)
    made.append(("keep all", held, zero, zero, kept.worth_kept, zero, poisson_cdf(held, rate * policy.horizon)))
    made.append(("scrap all", zero, zero, held, scrap * held, scrap * held, poisson_cdf(zero, rate * policy.horizon)))
    for terms in advice.readings:
        money = money_of(parts, policy, terms)
        price, hazard, window = np.asarray(money.price), hazard_of(parts, policy, terms), window_of(terms, policy)
        floor = terms.floor if terms.reach is Reach.ALL else 0
        best = split(rate, hazard, policy.horizon, money, held, window=window, floor=floor)
        for name, keep, release, out, worth in (
            (f"best split, {terms.title}", best.keep.astype(float), best.release.astype(float), best.scrap.astype(float), best.worth),
            (f"release all, {terms.title}", zero, held, zero, _all_released(rate, hazard, policy, money, held, window, floor)),
        ):  # fmt: skip
            reached = {Reach.ALL: release, Reach.FLOOR: np.minimum(release, terms.floor), Reach.NONE: zero}[terms.reach]
            sure = pool_first(rate, hazard, reached, keep, policy.horizon, floor=terms.floor, window=window)
            made.append((name, keep, release, out, worth, release * price + out * scrap, sure))
    found = [np.stack(list(column), axis=1) for column in list(zip(*made, strict=True))[1:]]
    keep, release, out, worth, cash, sure = found
    closed = ~advice.advised
    worth[closed, 1:] = -np.inf
    cost = np.nan_to_num(parts.cost)
    weight = parts.rate * np.where(cost > 0, cost, 1.0) * (1.0 + parts.criticality)
    return Options(
        tuple(m[0] for m in made), keep, release, out, worth, cash, sure, keep * parts.space[:, None], weight
    )


def _all_released(
    rate: Array, hazard: Array, policy: Policy, money: Money, held: Array, window: float, floor: float
) -> Array:
    """Worth of every unit released, the ones it loses money with included."""
    most = int(min(held.max(initial=0), MOST_TERMS))
    found = np.zeros(held.size)
    if most == 0:
        return found
    fields = {name: np.asarray(getattr(money, name)) for name in Money.__slots__}
    step = max(1, _CELLS // most)
    for start in range(0, held.size, step):
        at = slice(start, start + step)
        some = Money(**{name: value[at] if value.ndim else value for name, value in fields.items()})
        _, released = values(rate[at], hazard[at], policy.horizon, some, most, window=window, floor=floor)
        total = np.concatenate([np.zeros((released.shape[0], 1)), np.cumsum(released, axis=1)], axis=1)
        rows = np.arange(released.shape[0])
        stock = held[at].astype(np.int64)
        found[at] = total[rows, np.minimum(stock, most)] + np.maximum(stock - most, 0) * released[:, -1]
    return found


def choose(
    given: Options,
    *,
    cash_target: float = 0.0,
    most_space: float | None = None,
    least_coverage: Mapping[int, float] | None = None,
    criticality: npt.ArrayLike = 0,
) -> Chosen:
    """The option of each part with the most worth in all, under limits.

    ``cash_target``: money that has to come in at once. ``most_space``: that kept units may take in all. ``least_coverage``: by
    criticality, what each such part has to keep; where no option reaches it, the one that comes nearest is taken and told. Raises
    ``planning.number``.
    """  # fmt: skip
    target = float(numbers("cash target", cash_target))
    short: list[str] = []
    worth = given.worth.copy()
    if least_coverage:
        worth = _kept_covered(
            given, worth, least_coverage, np.broadcast_to(np.asarray(criticality, np.int64), (given.parts,)), short
        )

    def at(cash_price: float, space_price: float) -> Ints:
        with np.errstate(invalid="ignore"):
            score = worth + cash_price * given.cash - space_price * given.space
        return np.asarray(np.argmax(score, axis=1), dtype=np.int64)

    def total(name: str, chosen: Ints) -> float:
        return float(given.of(name, chosen).sum())

    def under_space(cash_price: float) -> Ints:
        chosen = at(cash_price, 0.0)
        if most_space is None or total("space", chosen) <= most_space:
            return chosen
        price = _halve(lambda p: total("space", at(cash_price, p)) <= most_space)
        return at(cash_price, price if price is not None else 1e12)

    chosen = under_space(0.0)
    if total("cash", chosen) < target:
        price = _halve(lambda p: total("cash", under_space(p)) >= target)
        chosen = under_space(price if price is not None else 1e9)
        if price is None:
            short.append(f"At most {total('cash', chosen):,.0f} comes in at once, not {target:,.0f}.")
    if most_space is not None and total("space", chosen) > most_space * (1 + 1e-12):
        short.append(
            f"What is kept takes {total('space', chosen):,.10g} of the room, more than {most_space:,.10g}: the other limits ask for it."
        )
    return _sum(given, chosen, tuple(short))


def _kept_covered(
    given: Options, worth: Array, least: Mapping[int, float], criticality: Ints, short: list[str]
) -> Array:
    for level, share in sorted(least.items()):
        need = float(numbers("least coverage", share, most=1.0))
        of_level = criticality == level
        below = of_level[:, None] & (given.coverage < need)
        able = np.isfinite(worth)
        none = of_level & ~(able & ~below).any(axis=1)
        if none.any():
            best = np.where(able, given.coverage, -1.0).argmax(axis=1)
            keep = np.zeros_like(below)
            keep[np.flatnonzero(none), best[none]] = True
            below &= ~keep
            count, kind = int(none.sum()), LEVELS[level] if level < len(LEVELS) else f"criticality {level}"
            short.append(
                f"{count:,} {kind} {'part reaches' if count == 1 else 'parts reach'} less than {need * 100:g} % whatever is done with the stock."
            )
        worth = np.where(below, -np.inf, worth)
    return worth


def _halve(enough: Callable[[float], bool]) -> float | None:
    """The least price at which a limit is kept, None where no price is high enough."""
    low, high = 0.0, 1.0
    while not enough(high):
        low, high = high, high * 4
        if high > 1e12:
            return None
    for _ in range(_HALVINGS):
        if high - low <= _SAME_PRICE * high:
            break
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _sum(given: Options, chosen: Ints, short: tuple[str, ...] = ()) -> Chosen:
    total = float(given.weight.sum())
    sure = given.of("coverage", chosen)
    mean = float((given.weight * sure).sum() / total) if total > 0 else float(sure.mean()) if sure.size else 1.0
    return Chosen(
        chosen,
        float(given.of("worth", chosen).sum()),
        float(given.of("cash", chosen).sum()),
        mean,
        float(given.of("space", chosen).sum()),
        short,
    )


def towards(given: Options, share: float) -> Chosen:
    """The choice at one place between the most coverage (``share`` 0) and the most cash at once (1): no other brings more of both."""
    able = np.isfinite(given.worth)
    weight = given.weight / max(float(given.weight.sum()), 1e-300)
    scale = max(float(np.where(able, given.cash, 0.0).max(axis=1).sum()), 1e-300)
    # The ends are decided by the other of the two where the first is equal.
    w = min(max(float(numbers("share", share, most=1.0)), 1e-9), 1 - 1e-9)
    score = np.where(able, w * given.cash / scale + (1 - w) * weight[:, None] * given.coverage, -np.inf)
    return _sum(given, np.asarray(np.argmax(score, axis=1), dtype=np.int64))


def frontier(given: Options, *, points: int = FRONTIER_POINTS) -> list[Chosen]:
    """From the most coverage to the most cash at once: no other choice of options brings more of both, and coverage is the weighted
    mean. Between them the exchange of one for the other is swept. No two points have the same sums."""
    if points < 2:
        raise invalid("planning.number", "A frontier has at least two points.", field="points")
    found: list[Chosen] = []
    for step in range(points):
        point = towards(given, step / (points - 1))
        if not found or (point.cash, point.coverage) != (found[-1].cash, found[-1].coverage):
            found.append(point)
    return found


# -- when things go wrong -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stress:
    """Coverage when holders drop out, one number a part."""

    all_there: Array
    firm: Array
    """Without the holders whose units are under a legal hold."""
    worst: Array
    """Without the one holder whose loss hurts most."""
    holder: Ints
    """That holder's column; -1 where nobody holds any."""


def stress(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    held: npt.ArrayLike,
    own: npt.ArrayLike,
    horizon: npt.ArrayLike,
    *,
    floors: npt.ArrayLike = 0,
    held_back: npt.ArrayLike = False,
) -> Stress:
    """Leave one holder out: ``held`` are units (parts, holders); ``floors`` what each of them must keep (as ``held`` or one number);
    ``held_back`` (holders,): under a legal hold. Partners fail together more often than apart: this is one of them.

    Raises ``planning.number``, ``planning.whole``, ``planning.shape``.
    """  # fmt: skip
    lying = units("held", held)
    if lying.ndim != 2:
        raise invalid("planning.shape", "Units held are a table of parts by holders.", field="held")
    size, count = lying.shape
    lam, mu, mine, t = (
        np.broadcast_to(x, (size,))
        for x in (numbers("rate", rate), hazards("hazard", hazard), units("own", own), years(horizon))
    )
    kept = np.minimum(np.broadcast_to(units("floors", floors), lying.shape), lying)
    out = np.broadcast_to(np.asarray(held_back, np.bool_), (count,))

    def sure(there: Flags) -> Array:
        return pool_first(lam, mu, lying[:, there].sum(axis=1), mine, t, floor=kept[:, there].sum(axis=1))

    every = np.ones(count, np.bool_)
    whole = sure(every)
    worst, holder = whole.copy(), np.full(size, -1, np.int64)
    for column in range(count):
        without = every.copy()
        without[column] = False
        some = lying[:, column] > 0
        now = np.where(some, sure(without), np.inf)
        lower = now < worst
        worst, holder = np.where(lower, now, worst), np.where(lower | (some & (holder < 0)), column, holder)
    return Stress(whole, sure(~out), worst, holder)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is different from what was assumed, as factors."""

    name: str
    demand: float = 1.0
    hazard: float = 1.0
    price: float = 1.0
    value: float = 1.0


USUAL_SCENARIOS: Sequence[Scenario] = (
    Scenario("as assumed"), Scenario("demand twice as high", demand=2.0), Scenario("demand half as high", demand=0.5),
    Scenario("partners use up twice as fast", hazard=2.0), Scenario("partners pay a third less", price=2 / 3),
    Scenario("a missing unit costs twice as much", value=2.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """Totals of advice under a scenario."""

    scenario: Scenario
    keep: int
    release: int
    scrap: int
    cash: float
    worth: float
    coverage: float
    """Weighted mean, as of ``Options``."""
    coverage_as_advised: float
    """If the split of the first scenario is carried out, and then this one comes true: what a wrong assumption costs."""


def scenarios(
    parts: Parts, policy: Policy, given: Sequence[Scenario] = USUAL_SCENARIOS, *, progress: Progress | None = None
) -> list[Outcome]:
    """Advice and its totals under each scenario; the exact programme is left out, so that they can be compared."""
    found: list[Outcome] = []
    first: Advice | None = None
    plain = replace(policy, exact_parts=0)
    for number, one in enumerate(given, start=1):
        there = replace(
            parts, rate=parts.rate * one.demand, rate_low=parts.rate_low * one.demand, rate_high=parts.rate_high * one.demand,
            hazard=np.minimum(parts.hazard * one.hazard, 10.0), price=parts.price * one.price, value=parts.value * one.value,
        )  # fmt: skip
        # What a clause allows is an assumption as well: it is faster or slower with the others.
        usual = {
            n: plain.learnt.get(n, known if (known := read(n).hazard) is not None else plain.hazard)
            for n in plain.presets
        }
        policy_there = replace(
            plain, hazard=min(plain.hazard * one.hazard, 10.0), learnt={n: min(h * one.hazard, 10.0) for n, h in usual.items()},
            price_share=plain.price_share * one.price, value_times=plain.value_times * one.value,
        )  # fmt: skip
        now = advise(there, policy_there)
        first = first or now
        weight = (
            there.rate
            * np.where(np.nan_to_num(there.cost) > 0, np.nan_to_num(there.cost), 1.0)
            * (1.0 + there.criticality)
        )
        total = max(float(weight.sum()), 1e-300)
        as_advised = recover(first, there, policy_there)
        found.append(
            Outcome(
                one, int(now.keep.sum()), int(now.release.sum()), int(now.scrap.sum()), float(now.cash.sum()), float(now.worth.sum()),
                float((weight * now.after).sum()) / total, float((weight * as_advised).sum()) / total,
            )
        )  # fmt: skip
        if progress:
            progress("Scenarios", number, len(given))
    return found


def recover(advice: Advice, parts: Parts, policy: Policy) -> Array:
    """Coverage of an advice's split in another world: other rates, other hazards."""
    rate = even_rate(parts.rate, parts.decline, policy.horizon)
    found = np.asarray(poisson_cdf(advice.keep, rate * policy.horizon))
    for place, terms in enumerate(advice.readings):
        rows = np.flatnonzero(advice.preset == place)
        if rows.size and terms.reach is not Reach.NONE:
            released = advice.release[rows].astype(np.float64)
            released = np.minimum(released, terms.floor) if terms.reach is Reach.FLOOR else released
            some = parts.rows(rows)
            found[rows] = pool_first(
                rate[rows],
                hazard_of(some, policy, terms),
                released,
                advice.keep[rows],
                policy.horizon,
                floor=terms.floor,
                window=window_of(terms, policy),
            )
    return found

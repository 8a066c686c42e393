"""One part of a run, looked at closely: coverage year by year, what each further unit is worth, and what other terms would change.

Reckoned from the figures that the row keeps, so that a page says what the run said. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from marketplace.agreements.combinations import COMBINATIONS
from marketplace.planning.advice import Advice, Parts, Policy, advise, even_rate, hazard_of, money_of, window_of
from marketplace.planning.clauses import Reach, Reading, read
from marketplace.planning.coverage import poisson_cdf, pool_first
from marketplace.planning.inputs import MOST_YEARS
from marketplace.planning.marginals import values

_YEARS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100)
MOST_SHOWN = 30
"""Units whose worth is shown one by one."""
_SMALL = 20
"""Up to so many units other terms are weighed by the exact programme where the part was."""
_EVENTS = 300.0
"""More demands and uses than this over the horizon take the programme longer than a page may."""


@dataclass(frozen=True, slots=True)
class CoverageAt:
    """How sure all demand until then is met: keeping all, as advised, and as advised with demand at the upper end."""

    years: float
    before: float
    after: float
    cautious: float


def coverage_curve(found: Advice, part: int = 0) -> list[CoverageAt]:
    """Year by year to the horizon."""
    horizon = found.policy.horizon
    steps = sorted({*(y for y in _YEARS if y < horizon), horizon}) if horizon > 0 else [0.0]
    p = found.parts.rows(np.array([part]))
    keep, release = (np.array([float(a[part])]) for a in (found.keep, found.release))
    terms = found.readings[int(found.preset[part])] if release[0] else None
    made = []
    for t in steps:
        rate, high = (even_rate(r, p.decline, t) for r in (p.rate, p.rate_high))
        before = float(poisson_cdf(p.stock, rate * t)[0])
        if terms is None or terms.reach is Reach.NONE or t == 0:
            after, cautious = (float(poisson_cdf(keep, r * t)[0]) for r in (rate, high))
        else:
            pooled = np.minimum(release, terms.floor) if terms.reach is Reach.FLOOR else release
            after, cautious = (
                float(pool_first(r, np.array([found.hazard[part]]), pooled, keep, t, floor=float(terms.floor), window=window_of(terms, found.policy))[0])
                for r in (rate, high)
            )  # fmt: skip
        made.append(CoverageAt(t, before, after, cautious))
    return made


@dataclass(frozen=True, slots=True)
class NthUnit:
    """What the n-th unit is worth: kept as the n-th on the shelf, released as the n-th with partners, and scrapped."""

    n: int
    held: float
    released: float
    scrapped: float

    @property
    def best(self) -> str:
        """What brings most: keep, release or scrap."""
        return max((("release", self.released), ("keep", self.held), ("scrap", self.scrapped)), key=lambda x: x[1])[0]


def nth_units(found: Advice, part: int = 0) -> tuple[Reading, list[NthUnit]]:
    """Unit by unit under the terms that are advised, or else the first of the policy."""
    policy = found.policy
    terms = found.readings[max(int(found.preset[part]), 0)]
    p = found.parts.rows(np.array([part]))
    money = money_of(p, policy, terms)
    count = int(min(p.stock[0], MOST_SHOWN))
    held, released = values(
        even_rate(p.rate, p.decline, policy.horizon), hazard_of(p, policy, terms), policy.horizon, money, count,
        window=window_of(terms, policy), floor=terms.floor if terms.reach is Reach.ALL else 0,
    )  # fmt: skip
    scrap = float(np.asarray(money.scrap).ravel()[0])
    return terms, [NthUnit(n + 1, float(held[0, n]), float(released[0, n]), scrap) for n in range(count)]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What would be advised under one set of terms alone. ``change``: worth against the advice as it is."""

    terms: Reading
    keep: int
    release: int
    scrap: int
    cash: float
    worth: float
    change: float
    after: float
    chosen: bool


def other_terms(found: Advice, part: int = 0) -> list[Otherwise]:
    """Every named set of terms by itself, most worth first."""
    p = found.parts.rows(np.array([part]))
    events = (p.rate[0] + found.hazard[part] * p.stock[0]) * found.policy.horizon
    exact = bool(found.exact[part] and p.stock[0] <= _SMALL and events <= _EVENTS)
    worth = _worth(found.policy, p, [r.name for r in found.readings], exact)
    made = []
    for name in COMBINATIONS:
        other = advise(p, replace(found.policy, presets=(name,), exact_parts=int(exact)))
        made.append(
            Otherwise(
                read(name), int(other.keep[0]), int(other.release[0]), int(other.scrap[0]), float(other.cash[0]), float(other.worth[0]),
                float(other.worth[0]) - worth, float(other.after[0]),
                int(found.preset[part]) >= 0 and found.readings[int(found.preset[part])].name == name,
            )
        )  # fmt: skip
    return sorted(made, key=lambda o: -o.worth)


def _worth(policy: Policy, p: Parts, presets: Sequence[str], exact: bool) -> float:
    """The advice once more in the way in which the others are weighed, so that like is compared with like."""
    return float(advise(p, replace(policy, presets=tuple(presets), exact_parts=int(exact))).worth[0])


def told_about(policy: Policy) -> list[str]:
    """What a policy at the edge of what can be reckoned means, in words."""
    told = []
    if policy.horizon == 0:
        told.append("With a horizon of 0 years there is no demand to cover: each unit brings what it brings today.")
    if policy.horizon >= MOST_YEARS / 2:
        told.append(
            f"Over {policy.horizon:g} years a rate that is learnt from a few years says little: read it as a direction."
        )
    if policy.hazard >= 2:
        told.append(f"At a hazard of {policy.hazard:g} a year a unit lasts {12 / policy.hazard:.0f} months with a partner: most of what is released is gone when it is needed.")  # fmt: skip
    if policy.renewed:
        told.append("Rights are taken to be renewed to the horizon; unless partners agree to that, they end sooner.")
    return told

"""What a search for units can be narrowed by, and how many places each choice would leave. Pure.

A choice is counted with all other filters in force and without its own, so that it can be changed and not only taken off.
Places whose holder is not named before an order is sent count as one choice together: neither a name nor a country of theirs
is a choice, or a search would tell what the page does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import NamedTuple

from marketplace.sourcing.candidates import Candidate

MOST_CHOICES = 40
"""Choices of one facet that are told, those with the most places first; how many others there are is told with them."""
UNNAMED = "unnamed"
"""The holder of places that are told only roughly."""
ARRIVALS = (1, 3, 7, 14, 30)
"""Days within which units can be there."""
REASON_WORDS: Mapping[str, str] = {
    "window_not_open": "Right not open yet",
    "window_closed": "Right has ended",
    "not_covered": "Outside the right",
    "holder_reserve": "Holder's own reserve",
    "held": "Reserved for other orders",
    "in_transit": "On the way",
    "legal_hold": "Legal hold",
    "quality_hold": "Quality hold",
    "withdrawn": "Said not to be on the shelf",
    "suspended": "Agreement suspended",
    "not_in_force": "Agreement not in force",
    "below_partial_minimum": "Too few for one order",
    "not_multiple": "Not a size that can be ordered",
    "exercises_used_up": "No orders left",
    "nothing_left": "Nothing left",
    "cleared": "Cleared for the holder's use",
    "blackout": "Days without orders",
    "period_used_up": "Most of this period ordered",
    "no_notice": "No notice of the holder",
    "answer_time_over": "Time to answer is over",
    "delegation_limit": "Beyond the delegation",
    "kept_apart": "Kept apart, not accepted",
    "sent_back": "Came back, not accepted",
}
"""By code why units cannot be ordered, shorter than each place says it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What places have to be like; None = whatever. ``source``: 'own' or 'partners'; ``callable``: 'now' or 'not'; ``reason``: a
    code of units there that cannot be ordered; ``holder``: a company's id, or ``UNNAMED``; ``within_days``: units can be there by then."""

    source: str | None = None
    callable: str | None = None
    reason: str | None = None
    country: str | None = None
    region: str | None = None
    holder: str | None = None
    condition: str | None = None
    clause: str | None = None
    within_days: int | None = None

    def __bool__(self) -> bool:
        return self != _ANY


_ANY = Filters()


class Choice(NamedTuple):
    """One value of a facet: ``label`` only where it is not a word of ours, such as a holder's name; how many places and units."""

    value: str
    label: str | None
    places: int
    units: int


@dataclass(frozen=True, slots=True)
class Facet:
    """One way of narrowing a search. ``more``: choices that are not told."""

    name: str
    choices: tuple[Choice, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Facets:
    """``places`` and ``units`` that fit all filters, of ``of`` places that were looked at."""

    places: int
    units: int
    of: int
    facets: tuple[Facet, ...]


def _holder(c: Candidate) -> str:
    return UNNAMED if c.masked else str(c.holder_id)


def _country(c: Candidate) -> str | None:
    # Of units of an unnamed holder on their way only the holder's own country is known.
    return None if c.masked and c.site_id is None else c.point.country or None


def _days(c: Candidate, now: datetime) -> int | None:
    """Started days until units can be there."""
    return None if c.arrives is None else max(-(-(c.arrives - now) // timedelta(days=1)), 0)


def _values(c: Candidate, arrivals: Iterable[int], now: datetime) -> dict[str, tuple[str, ...]]:
    """By facet what a place counts for."""
    days = _days(c, now)
    one: dict[str, str | None] = {
        "source": "own" if c.kind == "own_stock" else "partners",
        "callable": "now" if c.callable else "not",
        "country": _country(c),
        "region": c.region or None,
        "holder": _holder(c),
        "condition": c.condition,
        "clause": c.clause,
    }
    found: dict[str, tuple[str, ...]] = {name: (value,) if value else () for name, value in one.items()}
    found["reason"] = tuple(dict.fromkeys(b.code for b in c.blocked))
    found["within_days"] = tuple(str(n) for n in arrivals if days is not None and days <= n)
    return found


_SAME: Mapping[str, Callable[[Candidate, str, datetime], bool]] = {
    "source": lambda c, v, _: (c.kind == "own_stock") == (v == "own"),
    "callable": lambda c, v, _: (c.callable > 0) == (v == "now"),
    "reason": lambda c, v, _: any(b.code == v for b in c.blocked),
    "country": lambda c, v, _: _country(c) == v,
    "region": lambda c, v, _: c.region == v,
    "holder": lambda c, v, _: _holder(c) == v,
    "condition": lambda c, v, _: c.condition == v,
    "clause": lambda c, v, _: c.clause == v,
    "within_days": lambda c, v, now: (days := _days(c, now)) is not None and days <= int(v),
}


def _given(filters: Filters) -> list[tuple[str, str]]:
    return [(f.name, str(value)) for f in fields(filters) if (value := getattr(filters, f.name)) is not None]


def fits(c: Candidate, filters: Filters, now: datetime) -> bool:
    """Whether a place is like that."""
    return all(_SAME[name](c, value, now) for name, value in _given(filters))


def count(candidates: Iterable[Candidate], filters: Filters, now: datetime) -> Facets:
    """How many places each choice leaves; a place that answers several numbers counts once."""
    every = {c.key: c for c in candidates}
    places: dict[str, Counter[str]] = {f.name: Counter() for f in fields(Filters)}
    units: dict[str, Counter[str]] = {f.name: Counter() for f in fields(Filters)}
    names: dict[str, str] = {}
    given = _given(filters)
    arrivals = {*ARRIVALS, *([filters.within_days] if filters.within_days is not None else [])}
    fitting = amount = 0
    for c in every.values():
        wrong = [name for name, value in given if not _SAME[name](c, value, now)]
        if len(wrong) > 1:
            continue
        fitting += not wrong
        amount += 0 if wrong else c.quantity
        for name, values in _values(c, arrivals, now).items():
            if wrong and wrong[0] != name:
                continue
            for value in values:
                places[name][value] += 1
                units[name][value] += c.quantity
        if not c.masked:
            names[str(c.holder_id)] = c.holder
    facets = []
    for name, counted in places.items():
        chosen = getattr(filters, name)
        # What is chosen stays to be seen, also where it leaves nothing.
        if chosen is not None:
            counted.setdefault(str(chosen), 0)
        told = _in_order(name, counted)
        cut = _cut(told, None if chosen is None else str(chosen))
        choices = [Choice(v, names.get(v) if name == "holder" else None, counted[v], units[name][v]) for v in cut]
        facets.append(Facet(name, tuple(choices), len(told) - len(cut)))
    return Facets(fitting, amount, len(every), tuple(facets))


def _in_order(name: str, counted: Mapping[str, int]) -> list[str]:
    if name == "within_days":
        return sorted(counted, key=int)
    return sorted(counted, key=lambda v: (-counted[v], v))


def _cut(told: Sequence[str], chosen: str | None) -> list[str]:
    kept = list(told[:MOST_CHOICES])
    if chosen in told[MOST_CHOICES:]:
        kept[-1] = str(chosen)
    return kept

"""What offers can be narrowed by, and how many each choice would leave. Pure.

A choice is counted with all other filters in force and without its own, so that another one can be chosen beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final

from marketplace.agreements.terms import TERMS_TYPES

MOST_CHOICES: Final = 40
COUNTED: Final = 1_000
"""So many offers are counted of what is looked up by its filters; where there are more, all counts of that facet are at least what is said."""
ENOUGH: Final = 400
"""Where so many of the newest offers of all fit, nothing is looked up: there are at least as many."""
PRICES: Final = (Decimal(10), Decimal(100), Decimal(1_000), Decimal(10_000))
"""A price band reaches up to each of these, in whatever currency is posted."""
QUANTITIES: Final = (2, 5, 10, 50, 100, 1_000)
DISTANCES: Final = (50, 100, 250, 500, 1_000, 2_500)
NAMES: Final = ("class", "condition", "clause", "use", "seller", "maker", "country", "price", "quantity", "within")
"""Facets in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet, its name where it is not a word of ours, and how many offers it leaves."""

    value: str
    label: str | None
    listings: int


@dataclass(frozen=True, slots=True)
class Facet:
    """One way of narrowing. ``at_least``: there are more than were counted; ``more``: choices that are not told."""

    name: str
    choices: tuple[Choice, ...]
    at_least: bool
    more: int = 0


@dataclass(frozen=True, slots=True)
class Facets:
    """``listings`` that fit all filters (``at_least``: there are more), and what they can be narrowed by."""

    listings: int
    at_least: bool
    facets: tuple[Facet, ...]


def facet(
    name: str, counted: Mapping[str, int], labels: Mapping[str, str], chosen: Iterable[str], *, at_least: bool
) -> Facet:
    """The facet told: most offers first, what is chosen always among them; bands and distances in their order, each with what is below
    it (of quantities: above it)."""
    kept = set(chosen)
    if name in ("price", "quantity", "within"):
        limits = [str(n) for n in {"price": PRICES, "quantity": QUANTITIES, "within": DISTANCES}[name]]
        numbers = {n: Decimal(n) for n in (*limits, *kept)}
        told = sorted(numbers, key=lambda n: numbers[n])
        bands = {Decimal(value): n for value, n in counted.items()}
        rows = [(v, sum(n for band, n in bands.items() if _within(name, band, numbers[v]))) for v in told]
        return Facet(name, tuple(Choice(v, None, n) for v, n in rows if n or v in kept), at_least)
    every = {**dict.fromkeys(kept, 0), **counted}
    order = sorted(every, key=lambda v: (-every[v], labels.get(v, v)))
    shown = order[:MOST_CHOICES] + [v for v in order[MOST_CHOICES:] if v in kept]
    choices = tuple(Choice(v, labels.get(v), every[v]) for v in shown)
    return Facet(name, choices, at_least, len(order) - len(shown))


def clause_keys(clauses: Collection[str]) -> list[str]:
    """What ``listing.clause_key`` says of listings under any of these clauses: every set of clauses with one of them in it."""
    every = sorted({name for name, _ in TERMS_TYPES}.union(clauses))
    sets = (some for n in range(1, len(every) + 1) for some in combinations(every, n))
    return ["+".join(some) for some in sets if not set(some).isdisjoint(clauses)]


def _within(name: str, band: Decimal, limit: Decimal) -> bool:
    return band >= limit if name == "quantity" else band <= limit

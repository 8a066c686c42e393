"""What an offer's clause means before anybody has signed: the badge and the sentences for so many units. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from marketplace.agreements import prose
from marketplace.agreements.facts import Facts
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.agreements.together import read_further
from marketplace.kit.money import Money


def share_to_keep(minimum: int, offered: int, quantity: int) -> int:
    """The minimum to keep that falls to ``quantity`` of ``offered`` units, rounded up: what a schedule will state."""
    return min(quantity, -(-minimum * quantity // offered)) if offered else 0


@dataclass(frozen=True, slots=True)
class Offered:
    """One line on offer, as far as its clause needs to know. Prices are per base unit."""

    quantity: int
    """How many somebody would take: what the sentences count with."""
    offered: int
    unit_price: Decimal
    currency: str
    list_price: Decimal | None
    minimum_to_keep: int
    """Of all that is offered."""

    def facts(self, today: date, zone: str) -> Facts:
        """The schedule as it would be if it were signed today."""
        return Facts(
            schedule_date=today,
            zone=zone,
            sale_price=Money(self.unit_price, self.currency),
            list_price=None if self.list_price is None else Money(self.list_price, self.currency),
            quantity_sold=self.quantity,
            remaining=self.quantity,
            minimum_to_keep=share_to_keep(self.minimum_to_keep, self.offered, self.quantity),
        )


@dataclass(frozen=True, slots=True)
class Clauses:
    """The clauses of an offer in words: one badge for all, and the sentences of each."""

    terms: tuple[Terms, ...]
    badge: prose.Badge
    summary: tuple[str, ...]


def clauses_of(
    clause: str, version: int, raw: Mapping[str, Any], further: Sequence[Mapping[str, Any]]
) -> tuple[Terms, ...]:
    """The typed terms of every clause of a release, the first one first."""
    return (parse_terms(clause, version, raw), *read_further(further))


def badge(terms: Sequence[Terms], offered: Offered, today: date, zone: str) -> prose.Badge:
    """The clauses in a cell's width and in sentences, as if signed today."""
    return prose.badge(terms[0], offered.facts(today, zone), further=terms[1:])


def clauses(terms: Sequence[Terms], offered: Offered, today: date, zone: str) -> Clauses:
    """The clauses in full sentences, as if signed today."""
    facts = offered.facts(today, zone)
    return Clauses(
        tuple(terms), prose.badge(terms[0], facts, further=terms[1:]), prose.summary(terms[0], facts, terms[1:])
    )


def clauses_of_lines(
    terms: Sequence[Terms], lines: Sequence[tuple[str, Offered]], today: date, zone: str
) -> tuple[str, ...]:
    """The sentences for an order of several lines, (part number, offer): each line with what is its own."""
    return prose.summary_of_lines(
        terms[0], [(number, offered.facts(today, zone)) for number, offered in lines], terms[1:]
    )

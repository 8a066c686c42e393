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
class Clause:
    """The clause of an offer in words."""

    terms: Terms
    badge: prose.Badge
    summary: tuple[str, ...]


def terms_of(clause: str, version: int, raw: Mapping[str, Any]) -> Terms:
    """The typed terms of a release."""
    return parse_terms(clause, version, raw)


def badge(terms: Terms, offered: Offered, today: date, zone: str) -> prose.Badge:
    """The clause in a cell's width and in a sentence, as if signed today."""
    return prose.badge(terms, offered.facts(today, zone))


def clause(terms: Terms, offered: Offered, today: date, zone: str) -> Clause:
    """The clause in full sentences, as if signed today."""
    facts = offered.facts(today, zone)
    return Clause(terms, prose.badge(terms, facts), prose.summary(terms, facts))


def clause_of_lines(terms: Terms, lines: Sequence[tuple[str, Offered]], today: date, zone: str) -> tuple[str, ...]:
    """The sentences for an order of several lines, (part number, offer): each line with what is its own."""
    return prose.summary_of_lines(terms, [(number, offered.facts(today, zone)) for number, offered in lines])

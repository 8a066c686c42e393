"""What a listing's clause would mean for who buys it today. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from marketplace.agreements.facts import Facts
from marketplace.agreements.prose import Badge, badge, summary
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.kit.money import Money


def offered(
    *,
    clause: str,
    version: int,
    terms: Mapping[str, Any],
    quantity: int,
    unit_price: Decimal,
    list_price: Decimal | None,
    currency: str,
    minimum_to_keep: int,
    today: date,
    zone: str = "UTC",
) -> tuple[Terms, Facts]:
    """Typed terms, and the facts as they would stand if all of it were bought today."""
    typed = parse_terms(clause, version, dict(terms))
    count = max(quantity, 1)
    return typed, Facts(
        schedule_date=today, zone=zone, sale_price=Money(unit_price, currency), quantity_sold=count, remaining=count,
        list_price=Money(list_price, currency) if list_price is not None else None,
        minimum_to_keep=min(minimum_to_keep, count),
    )  # fmt: skip


def plain_words(typed: Terms, facts: Facts) -> tuple[Badge, tuple[str, ...]]:
    """The badge and the sentences of a clause for a buyer."""
    return badge(typed, facts), summary(typed, facts)

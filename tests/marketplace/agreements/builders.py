"""Terms and facts for tests: presets with changes, one ordinary schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from marketplace.agreements.evaluation import Facts
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import Terms
from marketplace.kit.money import Money

NOW = datetime(2027, 3, 1, 15, 0, tzinfo=UTC)


def usd(amount: str) -> Money:
    """An amount in US dollars."""
    return Money(Decimal(amount), "USD")


def terms(preset: str = "standard-buy-back", **changed: Any) -> Terms:
    """A preset's terms with some changed."""
    return PRESETS[preset].terms(**changed)


def facts(**changed: Any) -> Facts:
    """Ten units sold on 30 November 2026 at 412.10 USD, all still there."""
    usual: dict[str, Any] = {
        "schedule_date": date(2026, 11, 30),
        "zone": "America/Chicago",
        "sale_price": usd("412.10"),
        "quantity_sold": 10,
        "remaining": 10,
        "requested": 1,
    }
    return Facts(**{**usual, **changed})

"""Prices of many currencies in the one of a plan, by dated rates. Pure.

A rate is a fact with a day and a source: so many units of one currency for one of another. A plan takes the newest that is not
older than ``MOST_DAYS``; a currency without one is not compared at all, rather than by a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from marketplace.kit.money import Money, minor_digits

MOST_DAYS = 31


@dataclass(frozen=True, slots=True)
class Rate:
    """``rate`` units of ``into`` for one of ``currency`` on ``day``, as ``source`` states it."""

    currency: str
    into: str
    day: date
    rate: Decimal
    source: str

    @property
    def words(self) -> str:
        """As it stands beside a plan."""
        return f"1 {self.currency} = {self.rate.normalize():f} {self.into} on {self.day:%d %b %Y} ({self.source})"


def usable(rates: Mapping[str, Rate], today: date) -> dict[str, Rate]:
    """Those that are new enough to plan by."""
    return {currency: r for currency, r in rates.items() if today - r.day <= timedelta(days=MOST_DAYS)}


def in_minor(price: Money, into: str, rates: Mapping[str, Rate]) -> int | None:
    """The price in whole minor units of ``into``; None where no rate leads there."""
    if price.currency == into:
        amount = price.amount
    elif (rate := rates.get(price.currency)) is not None and rate.into == into:
        amount = price.amount * rate.rate
    else:
        return None
    return int(amount.scaleb(minor_digits(into)).to_integral_value(ROUND_HALF_UP))


def missing_words(currency: str, into: str) -> str:
    """Why a price in that currency is not planned with, and what to do."""
    return (
        f"Its price is in {currency}, and there is no rate into {into} of the last {MOST_DAYS} days to compare it by. "
        "Ask an administrator to record one."
    )

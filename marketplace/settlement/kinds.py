"""What can be owed between two companies, and which of them owes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class LineKind(StrEnum):
    """What a settlement line is for."""

    SALE_PRICE = "sale_price"
    """Units sold under an agreement. Where their title is retained until they are paid, it passes when this is."""
    CALL_PRICE = "call_price"
    DRAW_FEE = "draw_fee"
    DRAW_PURCHASE = "draw_purchase"
    """A drawn unit that was not replaced in time: bought."""
    DRAW_UNDONE = "draw_undone"
    """Replaced after all: the price of the purchase is owed back."""
    FREIGHT = "freight"
    HANDLING = "handling"
    STORAGE = "storage"
    PREMIUM = "premium"
    LATE_DAMAGES = "late_damages"
    COVER_PURCHASE = "cover_purchase"
    BREACH = "breach"
    LOSS_COMPENSATION = "loss_compensation"
    GRADE_ADJUSTMENT = "grade_adjustment"
    """Units came back in a lower grade: part of their price is owed back."""
    CREDIT = "credit"
    """A counter line: part or all of another line, the other way round."""


@dataclass(frozen=True, slots=True)
class About:
    """A kind in words, and who owes it: 'maker' (to the holder), 'holder' (to the maker) or 'either'."""

    words: str
    payer: str


KINDS: Mapping[LineKind, About] = {
    LineKind.SALE_PRICE: About("Price of the sale", "holder"),
    LineKind.CALL_PRICE: About("Price", "maker"),
    LineKind.DRAW_FEE: About("Draw fee", "maker"),
    LineKind.DRAW_PURCHASE: About("Bought: not replaced in time", "maker"),
    LineKind.DRAW_UNDONE: About("Owed back: replaced after all", "holder"),
    LineKind.FREIGHT: About("Freight", "either"),
    LineKind.HANDLING: About("Handling", "maker"),
    LineKind.STORAGE: About("Storage", "maker"),
    LineKind.PREMIUM: About("Premium for the right", "maker"),
    LineKind.LATE_DAMAGES: About("Damages for delay", "holder"),
    LineKind.COVER_PURCHASE: About("Cover purchase", "holder"),
    LineKind.BREACH: About("Breach", "either"),
    LineKind.LOSS_COMPENSATION: About("Compensation for a loss", "either"),
    LineKind.GRADE_ADJUSTMENT: About("Adjustment for a lower grade", "holder"),
    LineKind.CREDIT: About("Credit", "either"),
}

COUNTERS = frozenset({LineKind.GRADE_ADJUSTMENT, LineKind.CREDIT})
"""Lines that take back part of another one, and are set against it at once."""

KIND_WORDS: Mapping[str, str] = {kind.value: about.words for kind, about in KINDS.items()}
"""What a line is for, by its kind, as pages and papers say it."""

"""Where a settlement line stands. Nothing is kept of it but amounts: the state follows from them and from the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum


class LineState(StrEnum):
    """What of a line is left to be paid. Whether it is overdue is told beside it."""

    DUE = "due"
    PART_PAID = "part_paid"
    PAID = "paid"
    DISPUTED = "disputed"
    """All that is left is disputed: nothing of it is due."""


STATE_WORDS: Mapping[LineState, str] = {
    LineState.DUE: "Due",
    LineState.PART_PAID: "Part paid",
    LineState.PAID: "Paid",
    LineState.DISPUTED: "Disputed",
}


def line_state(amount: Decimal, paid: Decimal, disputed: Decimal) -> LineState:
    """``paid``: what both sides say was paid; ``disputed``: what is not due while a dispute runs. All in one
    currency."""
    left = amount - paid
    if left <= 0:
        return LineState.PAID
    if disputed >= left:
        return LineState.DISPUTED
    return LineState.PART_PAID if paid > 0 else LineState.DUE


def due_amount(amount: Decimal, paid: Decimal, disputed: Decimal) -> Decimal:
    """What is left to be paid and not disputed."""
    return max(amount - paid - disputed, Decimal(0))


def is_overdue(amount: Decimal, paid: Decimal, disputed: Decimal, due_on: date, today: date) -> bool:
    """Whether some of it was due before today."""
    return due_on < today and due_amount(amount, paid, disputed) > 0

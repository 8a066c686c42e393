"""Where a settlement line stands. Nothing is kept of it but amounts: the state follows from them and from the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum

_NONE = Decimal(0)


class LineState(StrEnum):
    """What of a line is left to be paid. Whether it is overdue is told beside it."""

    DUE = "due"
    PART_PAID = "part_paid"
    PAID = "paid"
    PART_CREDITED = "part_credited"
    """Part was taken back, and nothing was paid yet: a credit is no payment."""
    CREDITED = "credited"
    """All of it was taken back."""
    DISPUTED = "disputed"
    """All that is left is disputed: nothing of it is due."""


STATE_WORDS: Mapping[LineState, str] = {
    LineState.DUE: "Due",
    LineState.PART_PAID: "Part paid",
    LineState.PAID: "Paid",
    LineState.PART_CREDITED: "Part credited",
    LineState.CREDITED: "Credited",
    LineState.DISPUTED: "Disputed",
}


def line_state(amount: Decimal, paid: Decimal, disputed: Decimal, credited: Decimal = _NONE) -> LineState:
    """``paid``: what both sides say was paid; ``credited``: what credits took off beside it; ``disputed``: what is not due
    while a dispute runs. All in one currency."""
    left = amount - paid - credited
    if left <= 0:
        return LineState.CREDITED if credited > 0 and paid <= 0 else LineState.PAID
    if disputed >= left:
        return LineState.DISPUTED
    if paid > 0:
        return LineState.PART_PAID
    return LineState.PART_CREDITED if credited > 0 else LineState.DUE


def due_amount(amount: Decimal, paid: Decimal, disputed: Decimal, credited: Decimal = _NONE) -> Decimal:
    """What is left to be paid and not disputed."""
    return max(amount - paid - credited - disputed, Decimal(0))


def is_overdue(
    amount: Decimal, paid: Decimal, disputed: Decimal, due_on: date, today: date, credited: Decimal = _NONE
) -> bool:
    """Whether some of it was due before today."""
    return due_on < today and due_amount(amount, paid, disputed, credited) > 0

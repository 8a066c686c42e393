"""Set-off as arithmetic: how much of two sides' lines goes against each other, and of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Open:
    """What can be netted of a line."""

    line_id: UUID
    due_on: date
    amount: Decimal


def net(ours: Sequence[Open], theirs: Sequence[Open]) -> tuple[Decimal, dict[UUID, Decimal]]:
    """The amount that both sides owe each other, and how much of which line goes into it on either side: what is due
    first before the rest. Both sides' shares add up to the amount."""
    amount = min(sum((x.amount for x in ours), Decimal(0)), sum((x.amount for x in theirs), Decimal(0)))
    shares: dict[UUID, Decimal] = {}
    for side in (ours, theirs):
        left = amount
        for line in sorted(side, key=lambda x: (x.due_on, x.line_id)):
            share = min(left, line.amount)
            if share > 0:
                shares[line.line_id] = share
                left -= share
    return amount, shares

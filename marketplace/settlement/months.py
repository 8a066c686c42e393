"""Statements: what one company and another owed and paid each other in a month, as it was known at its end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from marketplace.kit.clock import add_months
from marketplace.kit.errors import missing

SETTLES_IN: Final = timedelta(hours=1)
"""What was under way when a month ended is in it; after so long nothing of it is under way any more."""
FIRST_YEAR: Final = 2000
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
ENTRY_WORDS: Final = {
    "line": "Owed", "credit": "Credit", "payment": "Payment", "set_off": "Set-off", "taken_back": "Taken back",
}  # fmt: skip
"""What can stand in a statement. A set-off stands on both sides and changes no balance."""


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC, so that both companies read the same statement wherever they are."""

    first: date

    @classmethod
    def of(cls, text: str) -> Month:
        """'2026-11'. Raises ``statement.month``."""
        found = _MONTH.fullmatch(text)
        if found and int(found[1]) < FIRST_YEAR:
            raise missing("statement.month", f"There are statements from {FIRST_YEAR} on; {text} lies before.")
        if not found:
            raise missing("statement.month", f"'{text[:20]}' is not a month. Write it like 2026-11.")
        return cls(date(int(found[1]), int(found[2]), 1))

    @classmethod
    def containing(cls, moment: datetime) -> Month:
        """The month of a moment."""
        return cls(moment.astimezone(UTC).date().replace(day=1))

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.first.year, self.first.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.next.start

    @property
    def last(self) -> date:
        """Its last day."""
        return self.next.first - timedelta(days=1)

    @property
    def next(self) -> Month:
        """The one after it."""
        return Month(add_months(self.first, 1))

    @property
    def previous(self) -> Month:
        """The one before it."""
        return Month(add_months(self.first, -1))

    @property
    def words(self) -> str:
        """'November 2026'."""
        return f"{self.first:%B %Y}"

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"

    def closed(self, now: datetime) -> bool:
        """Whether its statement stays as it is for good."""
        return now >= self.end + SETTLES_IN

    def require_begun(self, now: datetime) -> None:
        """Raises ``statement.not_begun`` for a month to come."""
        if now < self.start:
            raise missing("statement.not_begun", f"{self.words} has not begun: there is no statement of it yet.")


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of one currency in a month, seen by one of the two companies: amounts above zero are in its favour (the
    other one owes it). Opening + lines + credits + payments + taken back = closing; ``set_off`` was taken off on both sides
    alike."""

    other_id: UUID
    other: str
    currency: str
    opening: Decimal
    lines: Decimal
    credits: Decimal
    payments: Decimal
    taken_back: Decimal
    set_off: Decimal
    closing: Decimal
    entries: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact of a statement, by the moment since which it counts (``known_at``). ``in_favour``: what it adds to what the
    other company owes; ``against``: what it takes off. ``on``: the day it speaks of, of a payment when it was paid."""

    known_at: datetime
    id: UUID
    record_id: UUID
    what: str
    kind: str
    reference: str
    about: str
    on: date
    due_on: date | None
    currency: str
    in_favour: Decimal
    against: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """A month between two companies, as ``company`` reads it. ``final``: nothing will change in it any more."""

    company: str
    other_id: UUID
    other: str
    month: Month
    final: bool
    balances: Sequence[Balance]


def running(entries: Sequence[Entry], opening: Decimal) -> list[Decimal]:
    """The balance after each entry of one currency."""
    told: list[Decimal] = []
    for entry in entries:
        opening += entry.in_favour - entry.against
        told.append(opening)
    return told

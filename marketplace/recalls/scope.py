"""Which units a hold or its end is about, what a holder answers, and how far it is: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, get_args

from marketplace.agreements.phrases import count
from marketplace.kit.errors import DomainError, invalid

RecallKind = Literal["quality_hold", "recall"]
Disposition = Literal["released", "returned", "scrapped", "replaced"]
Progress = Literal["waiting", "read", "overdue", "answered", "nothing_here"]
KIND_WORDS: Final[Mapping[str, str]] = {"quality_hold": "Quality hold", "recall": "Recall"}
DISPOSITION_WORDS: Final[Mapping[str, str]] = {
    "released": "Released: may be used and sold again",
    "returned": "Sent back to the manufacturer",
    "scrapped": "Scrapped where they are",
    "replaced": "Replaced by other units",
}
PROGRESS_WORDS: Final[Mapping[str, str]] = {
    "waiting": "Told", "read": "Read", "overdue": "Overdue", "answered": "Acknowledged", "nothing_here": "Had none any more",
}  # fmt: skip
DISPOSITIONS: Final = get_args(Disposition)
MOST_SERIALS: Final = 10_000
_WHOLE: Final = "For all units of the part leave it out."


@dataclass(frozen=True, slots=True)
class Scope:
    """Units of a part: a batch, serial numbers from one to another (both included; shorter ones first), or those of a list,
    capitals or not. All of the part where nothing is named."""

    batch: str | None = None
    serial_from: str | None = None
    serial_to: str | None = None
    serials: tuple[str, ...] | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing narrows it down."""
        return not (self.batch or self.serial_from or self.serial_to or self.serials)

    @property
    def words(self) -> str:
        """'serial numbers A9 to A12', 'batch B7', 'all units'."""
        if self.serials:
            few = ", ".join(self.serials[:3])
            return (
                f"serial number {few}"
                if len(self.serials) == 1
                else f"{len(self.serials):,} serial numbers: {few}{' and more' if len(self.serials) > 3 else ''}"
            )
        parts = [f"batch {self.batch}"] if self.batch else []
        if self.serial_from and self.serial_to:
            parts.append(f"serial numbers {self.serial_from} to {self.serial_to}")
        elif self.serial_from or self.serial_to:
            parts.append(
                f"serial numbers {'from' if self.serial_from else 'up to'} {self.serial_from or self.serial_to}"
            )
        return ", ".join(parts) or "all units"


def scope_of(batch: str | None, serial_from: str | None, serial_to: str | None, serials: Sequence[str] | None) -> Scope:
    """A scope as it is kept: without surrounding space, each serial once. Raises ``recall.scope`` naming the field.

    What is given and names nothing is refused: a list that came out empty must not stop, or let go, all units of the part."""
    for field, given in (("batch", batch), ("serial_from", serial_from), ("serial_to", serial_to)):
        if given is not None and not given.strip():
            raise invalid("recall.scope", f"This names nothing. {_WHOLE}", field=field)
    low, high = serial_from and serial_from.strip(), serial_to and serial_to.strip()
    listed = tuple(dict.fromkeys(t.upper() for s in serials or () if (t := s.strip()))) or None
    if serials is not None and not listed:
        raise invalid("recall.scope", f"The list names no serial number. {_WHOLE}", field="serials")
    if listed and (low or high):
        raise invalid("recall.scope", "Give serial numbers as a list or as a range, not both.", field="serials")
    if listed and len(listed) > MOST_SERIALS:
        raise invalid(
            "recall.scope",
            f"That is {len(listed):,} serial numbers; at most {MOST_SERIALS:,} at once.",
            field="serials",
        )
    if low and high and (len(low), low.upper()) > (len(high), high.upper()):
        raise invalid("recall.scope", f"Serial number {low} comes after {high}: turn them round.", field="serial_to")
    return Scope(batch and batch.strip(), low, high, listed)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a hold reaches at one holder, or in sum. ``units``: at sites; ``reserved`` of them; ``under_way``: in transit;
    ``installed`` and ``used_up``: what it fitted or used before."""

    lots: int = 0
    units: int = 0
    sites: int = 0
    reserved: int = 0
    under_way: int = 0
    installed: int = 0
    used_up: int = 0

    @property
    def asked(self) -> int:
        """Of how many units a holder is asked to say where they are."""
        return self.units + self.under_way + self.installed + self.used_up


def in_sum(reaches: Sequence[Reach]) -> Reach:
    """All of them together."""
    return Reach(*(sum(column) for column in zip(*((r.lots, r.units, r.sites, r.reserved, r.under_way, r.installed, r.used_up) for r in reaches), strict=True))) if reaches else Reach()  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What a holder found: set aside of those found, used or fitted before (and when), not here."""

    found: int
    set_aside: int
    used_before: int
    used_on: date | None
    not_here: int
    note: str = ""

    @property
    def told(self) -> int:
        """Of how many it says something."""
        return self.found + self.used_before + self.not_here


def check_answer(answer: Answer, asked: int, today: date) -> None:
    """Refuses an answer that leaves units out, or says what cannot be. More than were asked for is no fault: a holder may
    find more than its record has. Raises ``recall.answer`` naming the field."""
    if answer.set_aside > answer.found:
        raise _wrong(f"You found {answer.found:,}, so at most {answer.found:,} can be set aside.", "set_aside")
    if answer.told < asked:
        raise _wrong(
            f"You are asked about {count(asked, 'unit')}, and your numbers account for {answer.told:,}. Say of the other "
            f"{asked - answer.told:,} that they were used before or are not here.",
            "not_here",
        )
    if answer.used_before and answer.used_on is None:
        raise _wrong("Say when they were used or fitted; the last day will do where it was several.", "used_on")
    if answer.used_on is not None and answer.used_on > today:
        raise _wrong("That day lies in the future.", "used_on")


def _wrong(message: str, field: str) -> DomainError:
    return invalid("recall.answer", message, field=field)


def progress(
    *, answered_at: datetime | None, read_at: datetime | None, answer_by: datetime, asked: int, now: datetime
) -> Progress:
    """How far a holder is."""
    if answered_at is not None:
        return "answered"
    if answer_by <= now:
        return "overdue"
    if read_at is not None:
        return "read"
    return "waiting" if asked else "nothing_here"

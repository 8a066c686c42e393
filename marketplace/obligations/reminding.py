"""When people are reminded of what is due, and in which words. Each is reminded of once before, and what nobody acts on
by itself once when the time is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from marketplace.agreements.phrases import count
from marketplace.obligations.kinds import EARLY, LONG, Obligation, ObligationKind

MOST_HOURS: Final = 168
MOST_DAYS: Final = 60
EARLY_DAYS: Final = 30
"""So long before, at least, whoever has to do what takes weeks is told."""
SHORTEST: Final = timedelta(hours=1)
"""The least warning for a stopped machine."""
SHARE: Final = 4
"""For a stopped machine: when a quarter of the time is left."""
OVERDUE_FOR: Final = timedelta(days=30)
"""What has been overdue for longer is not told any more: a site that begins does not begin with old mail."""
TOLD: Final = ("admin", "planner", "buyer", "seller")
"""Whose work it is, and who may read every kind of record that a reminder names (decision 17)."""
SHOWN: Final = 20
"""Lines of one mail; it says how many more there are, and where."""


class Step(StrEnum):
    """Which reminder."""

    AHEAD = "ahead"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Setting:
    """How long before a company is reminded. ``days_before``: of windows and payments; ``hours_before``: of the rest.
    A stopped machine has its own rule. ``mails``: whether it is at all."""

    hours_before: int = 24
    days_before: int = 7
    mails: bool = True


USUAL: Final = Setting()


def remind_at(
    kind: ObligationKind, due: datetime, started: datetime | None, urgency: str, setting: Setting = USUAL
) -> datetime:
    """From when on somebody is reminded."""
    if kind in EARLY:
        return due - timedelta(days=max(setting.days_before, EARLY_DAYS))
    if kind in LONG:
        return due - timedelta(days=setting.days_before)
    if urgency == "machine_down":
        whole = due - started if started is not None and started < due else timedelta(0)
        return due - max(SHORTEST, whole / SHARE)
    return due - timedelta(hours=setting.hours_before)


@dataclass(frozen=True, slots=True)
class Mail:
    """A digest for one company."""

    subject: str
    text: str
    link: str


def digest(ahead: Sequence[Obligation], overdue: Sequence[Obligation]) -> Mail:
    """One mail for all that is due soon and all that is overdue, the most pressing first. ``mine`` of each is from the
    reader's side."""
    if len(ahead) + len(overdue) == 1:
        row = (*overdue, *ahead)[0]
        subject = f"Overdue: {row.what}" if overdue else f"{row.what}, {row.by}"
    else:
        parts = [f"{count(len(overdue), 'deadline')} passed"] if overdue else []
        parts += (
            [f"{len(ahead):,} coming up" if overdue else f"{count(len(ahead), 'deadline')} coming up"] if ahead else []
        )
        subject = ", ".join(parts)
    lines: list[str] = []
    left = SHOWN
    for title, rows in (("Overdue", overdue), ("Due soon", ahead)):
        shown = rows[:left]
        left -= len(shown)
        if shown:
            lines += [title, *(_line(row) for row in shown), ""]
    rest = len(ahead) + len(overdue) - SHOWN
    if rest > 0:
        lines.append(f"And {rest:,} more in the calendar.")
    return Mail(subject, "\n".join(lines).rstrip(), "/calendar")


def _line(row: Obligation) -> str:
    who = "" if row.mine or row.owes is None else f" ({row.owes})"
    return f"- {row.what}{who}, {row.by}. {row.otherwise}"

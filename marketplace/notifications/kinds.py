"""What people are told about, how each may want to be told, and the words and the moment of the mail of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

MORNING: Final = 7
"""From this hour on, where the person works, the mail of the day is sent."""
SHOWN: Final = 30
"""Lines of one mail; it says how many more there are."""


class How(StrEnum):
    """How a person is told; each but the last also in the app."""

    AT_ONCE = "at_once"
    DAILY = "daily"
    IN_APP = "in_app"
    NOTHING = "nothing"


HOW_WORDS: Final[Mapping[How, str]] = {
    How.AT_ONCE: "Mail at once",
    How.DAILY: "One mail a day",
    How.IN_APP: "Only in the app",
    How.NOTHING: "Nothing",
}
USUAL: Final = How.AT_ONCE
"""Nobody has to choose in order to go on getting the mails there always were."""

KINDS: Final[Mapping[str, str]] = {
    "orders_back": "Buy-back orders, access draws and parts requests",
    "messages": "Messages on quotes, orders and orders back",
    "orders": "Quotes, orders and deliveries",
    "agreements": "Agreements: signatures, changes, standstill, end",
    "notices": "Requests to use, sell or scrap, and shelf life",
    "resales": "Units sold on",
    "settlement": "What is owed: payments, set-offs and disputes",
    "calendar": "Reminders of what comes due",
    "stock": "Stock: counts, missing units, postings, coverage",
    "wants": "Want lists: new and cheaper offers",
    "recalls": "Quality holds and recalls",
    "other": "Everything else",
}
# The first that an event's name begins with; an event that nobody thought of here is told as everything else.
_BY_NAME: Final = (
    ("call.message", "messages"), ("call.", "orders_back"), ("requisition.", "orders_back"),
    ("order.message", "messages"), ("quote.message", "messages"), ("order.", "orders"), ("quote.", "orders"),
    ("agreement.notice", "notices"), ("agreement.shelf_life", "notices"), ("notice.", "notices"), ("agreement.", "agreements"),
    ("proposal.", "agreements"), ("insolvency.", "agreements"), ("resale.", "resales"), ("settlement.", "settlement"),
    ("payment.", "settlement"), ("dispute.", "settlement"), ("obligations.", "calendar"), ("holding.", "stock"),
    ("search.", "wants"), ("listing.", "stock"), ("release.", "stock"), ("recall.", "recalls"), ("watch.", "stock"),
)  # fmt: skip
# Mails that nobody chooses about: the mail of the day itself, what an operator is told of the ledger's checks, and what concerns an
# account: whoever cannot sign in reads it nowhere else, and its links must not stand in the app.
_BY_MAIL_ALONE: Final = ("notification.", "ledger.", "account.")


def by_mail_alone(event: str) -> bool:
    """Whether an event's mail goes out as it is, whatever anybody has chosen."""
    return event.startswith(_BY_MAIL_ALONE)


def kind_of(event: str) -> str:
    """The key in ``KINDS`` of an event by its name."""
    return next((kind for begins, kind in _BY_NAME if event.startswith(begins)), "other")


def told_how(chosen: How, *, urgent: bool) -> How:
    """How somebody is told: of a stopped machine always at once, whatever was chosen."""
    return How.AT_ONCE if urgent else chosen


def day_due(now: datetime, zone: str, last: date | None) -> date | None:
    """The person's day for which its mail is due now; None before the morning, and once it had that day's. ``last``: the day of
    the one before. A worker that was away sends one mail for all of the days, not one for each."""
    there = now.astimezone(ZoneInfo(zone))
    today = there.date()
    return today if there.hour >= MORNING and (last is None or last < today) else None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the mail of a day."""

    kind: str
    subject: str


def digest(lines: Sequence[Line]) -> tuple[str, str]:
    """Subject and text of the mail of a day: by kind, in the order of ``KINDS``, what happened first before the rest."""
    count = len(lines)
    subject = f"{count} {'notification' if count == 1 else 'notifications'} since your last mail"
    shown = sorted(lines, key=lambda line: list(KINDS).index(line.kind) if line.kind in KINDS else len(KINDS))[:SHOWN]
    text: list[str] = []
    for kind in dict.fromkeys(line.kind for line in shown):
        text += [
            f"{KINDS.get(kind, KINDS['other'])}:",
            *(f"- {line.subject}" for line in shown if line.kind == kind),
            "",
        ]
    if count > SHOWN:
        text.append(f"And {count - SHOWN} more.")
    return subject, "\n".join([*text, "Read them, and choose how you are told, under Notifications."])

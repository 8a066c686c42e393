"""Who may do what next with a request for a quote and the offers made on it. Pure.

An offer stands until its time, read from the clock; then nobody can accept it, and either side may make another. Whoever answers names
the version that it has read: of two sides that answer at once, the second one is told to read the first one's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from marketplace.kit.errors import conflict, invalid

Side = Literal["seller", "buyer"]
Act = Literal["offer", "accept", "decline", "withdraw"]

WORDS: Final[Mapping[str, str]] = {
    "asked": "waiting for an offer",
    "offered": "offered, waiting for an answer",
    "lapsed": "offered, but not answered in time",
    "accepted": "accepted: an order was made of it",
    "declined": "declined",
    "withdrawn": "withdrawn",
}
REASONS: Final[Mapping[str, str]] = {
    "price": "The price",
    "quantity": "The quantity",
    "terms": "The terms of the clause",
    "delivery": "It would come too late",
    "not_available": "None to sell",
    "needed_ourselves": "We need the units ourselves",
    "no_longer_needed": "No longer needed",
    "found_elsewhere": "Found elsewhere",
    "credit": "Credit or compliance",
    "other": "Other",
}
MOST_NOTE: Final = 1_000
MOST_LINES: Final = 50
HOURS: Final = range(1, 90 * 24 + 1)
"""How long an offer may hold."""
OPEN: Final = frozenset({"asked", "offered", "lapsed"})


@dataclass(frozen=True, slots=True)
class Standing:
    """How a quote stands. ``last_by``: whose the last version is."""

    status: str
    last_version: int = 0
    last_by: Side | None = None
    expires_at: datetime | None = None

    def shown(self, now: datetime) -> str:
        """The status at a time: an offer past its time has lapsed."""
        late = self.status == "offered" and self.expires_at is not None and self.expires_at <= now
        return "lapsed" if late else self.status

    def waits_for(self, now: datetime) -> Side | None:
        """Whose turn it is; None where nobody has to answer."""
        shown = self.shown(now)
        if shown == "asked":
            return "seller"
        if shown == "offered":
            return "buyer" if self.last_by == "seller" else "seller"
        return None

    def may(self, act: Act, side: Side, now: datetime) -> bool:
        """Whether a side may do this now, whatever its people may."""
        shown = self.shown(now)
        if shown not in OPEN:
            return False
        if act == "offer":
            return True
        if act == "accept":
            return shown == "offered" and self.last_by != side
        own = self.last_by == side or (side == "buyer" and shown == "asked")
        return own if act == "withdraw" else not own


def require(standing: Standing, act: Act, side: Side, version: int, now: datetime) -> None:
    """Raises ``quote.state`` once it has ended, ``quote.stale`` where another version was made than the one that was read,
    ``quote.lapsed`` for an offer past its time, ``quote.own`` for an answer to one's own offer, ``quote.theirs`` for taking back
    the other side's."""
    shown = standing.shown(now)
    if shown not in OPEN:
        raise conflict(
            "quote.state", f"This request is {WORDS[shown]}; nothing more can be done with it. Nothing was changed.", state=shown
        )  # fmt: skip
    if version != standing.last_version:
        raise conflict(
            "quote.stale",
            f"Version {standing.last_version} of the offer was made meanwhile. Nothing was changed: read it, then answer that one."
            if standing.last_version
            else "No offer was made yet; there is none to answer.",
            last_version=standing.last_version,
        )
    if standing.may(act, side, now):
        return
    if act == "accept" and shown == "lapsed":
        raise conflict(
            "quote.lapsed",
            "This offer held until its time, which is over. Make an offer yourself, or ask for another one.",
        )
    if act == "withdraw":
        raise conflict(
            "quote.theirs", "The last word is not yours. Decline it, or answer it with an offer of your own."
        )
    raise conflict("quote.own", "The last word is your own. Wait for the other side's answer, or withdraw yours.")


def check_reason(code: str, words: str) -> None:
    """Raises ``quote.reason`` unless the reason is one of ``REASONS``, told in words that fit."""
    if code not in REASONS:
        raise invalid("quote.reason", f"Choose a reason: {', '.join(REASONS)}.", field="reason")
    if code == "other" and not words.strip():
        raise invalid("quote.reason", "Say in a few words what the reason is.", field="note")
    check_note(words)


def check_note(words: str) -> None:
    """Raises ``quote.note`` for what is too long."""
    if len(words) > MOST_NOTE:
        raise invalid("quote.note", f"Say it in at most {MOST_NOTE:,} characters.", field="note")

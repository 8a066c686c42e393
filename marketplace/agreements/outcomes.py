"""What an evaluation says: values with the reason, the term behind it, and words for a person.

Named tuples, which cost a third of a frozen dataclass to make: a plan evaluates thousands of calls.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from marketplace.agreements.terms import NoResponse, Party
from marketplace.kit.money import Money


class RefusalCode(StrEnum):
    """Why not: stable, for programs and for filters."""

    WINDOW_NOT_OPEN = "window_not_open"
    WINDOW_CLOSED = "window_closed"
    NOT_COVERED = "not_covered"
    HOLDER_RESERVE = "holder_reserve"
    HELD = "held"
    IN_TRANSIT = "in_transit"
    LEGAL_HOLD = "legal_hold"
    QUALITY_HOLD = "quality_hold"
    WITHDRAWN = "withdrawn"
    SUSPENDED = "suspended"
    NOT_IN_FORCE = "not_in_force"
    BELOW_PARTIAL_MINIMUM = "below_partial_minimum"
    NOT_MULTIPLE = "not_multiple"
    EXERCISES_USED_UP = "exercises_used_up"
    NOTHING_LEFT = "nothing_left"
    # Terms of the second library only:
    CLEARED = "cleared"
    BLACKOUT = "blackout"
    PERIOD_USED_UP = "period_used_up"
    NO_NOTICE = "no_notice"
    ANSWER_TIME_OVER = "answer_time_over"
    NO_PUT = "no_put"
    # Holder's acts only:
    BELOW_MINIMUM = "below_minimum"
    WRONG_USE = "wrong_use"
    RESALE_NOT_ALLOWED = "resale_not_allowed"
    NOT_PAID = "not_paid"


class Reason(NamedTuple):
    """One sentence and the term it rests on. ``term`` is empty where a fact decides, not a term."""

    clause: str
    version: int
    term: str
    words: str


class Refused(NamedTuple):
    """No, with a stable code, words with the numbers and dates in them, and when it may become possible."""

    code: RefusalCode
    words: str
    until_words: str
    """What would have to happen first, as a sentence."""
    possible_from: datetime | None
    """The moment from which it is possible, where the calendar alone decides."""
    reasons: tuple[Reason, ...]


class Split(NamedTuple):
    """Where the remaining units of a schedule stand; the parts add up to ``remaining``."""

    remaining: int
    callable: int
    not_covered: int
    held: int
    in_transit: int
    quality_held: int
    withdrawn: int
    holder_reserve: int
    blocked: int
    """Units that the right reaches but that cannot be called now, whatever their state."""
    blocked_by: RefusalCode | None
    """Why ``blocked`` is not 0: window, legal hold, suspension, or no orders left."""
    cleared: int = 0
    """Units that the holder was cleared to use, sell or scrap."""
    let_go: int = 0
    """Units that the manufacturer did not want and that the minimum now keeps with the holder: while the clearance runs
    neither of the two has them."""

    @property
    def words(self) -> str:
        """'3 callable, 2 reserved, 1 holder's reserve'. Made when asked for: a search over thousands asks for few."""
        parts = [f"{self.callable:,} callable"]
        parts += [
            f"{number:,} {name}"
            for number, name in (
                (self.held, "reserved"),
                (self.in_transit, "on the way"),
                (self.quality_held, "on quality hold"),
                (self.withdrawn, "being counted"),
                (self.cleared, "cleared for the holder"),
                (self.let_go, "kept, and not to be ordered while a clearance runs"),
                (self.holder_reserve, "holder's reserve"),
                (self.not_covered, "not covered by the right"),
            )
            if number
        ]
        if self.blocked_by and self.blocked:
            parts.append(f"{self.blocked:,} not now ({BLOCKED_SHORT[self.blocked_by]})")
        return ", ".join(parts)


BLOCKED_SHORT = {
    RefusalCode.SUSPENDED: "agreement suspended",
    RefusalCode.NOT_IN_FORCE: "agreement not in force",
    RefusalCode.LEGAL_HOLD: "legal hold",
    RefusalCode.WINDOW_NOT_OPEN: "right not open yet",
    RefusalCode.WINDOW_CLOSED: "right has ended",
    RefusalCode.EXERCISES_USED_UP: "no orders left",
    RefusalCode.BLACKOUT: "no orders on these days of the year",
    RefusalCode.PERIOD_USED_UP: "most units of this period ordered",
    RefusalCode.NO_NOTICE: "not named in a notice",
}


class Replacement(NamedTuple):
    """What the manufacturer owes for a drawn unit: an equal one within the days, or the purchase price."""

    replace_days: int
    purchase_price: Money


class Entitled(NamedTuple):
    """The call may be made: how many, at what price, by when. All times are UTC, deadlines exclusive."""

    callable: int
    """Most units that could be called now."""
    granted: int
    """Units this call gets: the requested quantity, or all that can be called if that is less."""
    unit_price: Money
    """Due per unit that goes back: the buy-back price, or the draw fee of access-back."""
    replacement: Replacement | None
    """access-back only."""
    respond_by: datetime
    ship_by: datetime
    inspection_days: int
    payment_days: int
    freight_payer: Party
    no_response: NoResponse
    reasons: tuple[Reason, ...]
    acknowledge_by: datetime | None = None
    """None where the terms ask for no acknowledgement."""
    deliver_by: datetime | None = None
    """None where the terms state no day of arrival."""

    @property
    def total(self) -> Money:
        """``unit_price`` times ``granted``."""
        return self.unit_price * self.granted


class Act(StrEnum):
    """What a holder may want to do with encumbered units."""

    MOVE_SITE = "move_site"
    USE = "use"
    """Use up in production (intermediate good)."""
    INSTALL = "install"
    """Fit into a machine (non-capital spare)."""
    SCRAP = "scrap"
    RESELL = "resell"


class Need(StrEnum):
    """What an act waits for."""

    NOTICE = "notice"
    OFFER = "offer"
    """First offer to the manufacturer."""
    CONSENT = "consent"
    """The manufacturer's yes; the terms say what no response means."""
    ACCESSION = "accession"
    """The buyer's signature under the clause."""


class Free(NamedTuple):
    """The holder may do it now; ``report_by`` says by when it is reported (None: nothing is owed)."""

    report_by: datetime | None
    words: str
    reasons: tuple[Reason, ...]


class AfterNotice(NamedTuple):
    """The holder may do it after asking. ``clear_from`` .. ``clear_until``: when no objection has come by then."""

    needs: Need
    clear_from: datetime | None
    """None when only an express consent clears it."""
    clear_until: datetime | None
    accession_required: bool
    """A buyer must take over the right in writing before title passes."""
    words: str
    reasons: tuple[Reason, ...]


class DrawState(StrEnum):
    """Where a drawn unit stands."""

    REPLACEMENT_DUE = "replacement_due"
    REPLACED = "replaced"
    PURCHASED = "purchased"


class DrawOutcome(NamedTuple):
    """access-back after receipt: what the manufacturer still owes. ``payable`` is per unit, on top of the draw fee."""

    state: DrawState
    replace_by: datetime
    payable: Money
    words: str
    reasons: tuple[Reason, ...]


class LossOutcome(NamedTuple):
    """Who bears lost units and what is paid for those missing from the minimum to keep."""

    bearer: Party
    units_short: int
    compensation: Money
    words: str
    reasons: tuple[Reason, ...]

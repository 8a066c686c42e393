"""The kinds of obligations: who owes what to whom, by which stored deadline, and what happens if nothing is done.

Nothing here computes a deadline: each was computed once, by its clause, and stored where it arose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from marketplace.agreements.phrases import count, day, deadline
from marketplace.kit.clock import local_day
from marketplace.kit.money import Money

LEAST: Final = timedelta(microseconds=1)
"""Deadlines are exclusive bounds: what ends with a day ends at the midnight after it, and is told by that day."""


class ObligationKind(StrEnum):
    """What is due."""

    ANSWER_CALL = "answer_call"
    SHIP_CALL = "ship_call"
    INSPECT_CALL = "inspect_call"
    REPLACE_DRAW = "replace_draw"
    ANSWER_ORDER = "answer_order"
    ORDER_NOTICED = "order_noticed"
    """The maker may order units back before the holder does what it gave notice of."""
    ACT_ON_NOTICE = "act_on_notice"
    """The holder may do so until then."""
    WINDOW_OPENS = "window_opens"
    WINDOW_CLOSES = "window_closes"
    SETTLE = "settle"
    SECURITY_LAPSES = "security_lapses"
    """A security interest is continued before it lapses: the maker's own record."""
    EXPLAIN_SHORTAGE = "explain_shortage"
    """A count found fewer units: the holder counts again and says where they are."""
    DECIDE_RENEWAL = "decide_renewal"
    """Notice against a renewal is given, or a renewal is agreed on: either side may."""
    ACKNOWLEDGE_CALL = "acknowledge_call"
    DELIVER_CALL = "deliver_call"
    ANSWER_PROPOSAL = "answer_proposal"
    """Other terms, an end or a renewal that one side signed is signed or declined by the other."""
    OBJECT = "object"
    """Who owes a line that the other side wrote by a paper may object to it."""
    ANSWER_DISPUTE = "answer_dispute"
    TAKE_OUT = "take_out"
    """Units that stay the maker's: what still lies there then counts as taken out."""
    RETURN_REST = "return_rest"
    """What of them is left after the window has gone back by then."""
    ANSWER_RESALE = "answer_resale"
    SIGN_RESALE = "sign_resale"
    SHELF_LIFE_ENDS = "shelf_life_ends"
    """Units under an agreement that are to be used, ordered back or scrapped before they are out of date."""
    SUSPENSION_ENDS = "suspension_ends"
    """A suspension ends by itself; who stated it can lift it before."""
    ANSWER_OFFER = "answer_offer"
    """An offer in a quote holds until then; the side that did not make it answers."""
    SHIP_ORDER = "ship_order"
    """What has not left of an order that both sides signed, by the day on which its buyer needs it."""
    ANSWER_DIFFERENCE = "answer_difference"
    ANSWER_RETURN = "answer_return"
    SEND_RETURN = "send_return"
    """What the seller takes back is to be sent."""
    ANSWER_RECALL = "answer_recall"
    """Who has or had units that their maker stops says what it found."""


@dataclass(frozen=True, slots=True)
class About:
    """A kind in words. ``verb`` opens it; ``acts``: the verb of who does it; ``long``: planned for days ahead;
    ``lingers``: nothing happens by itself at the deadline, so it can be overdue for long; ``early``: it takes weeks, so
    that it is told at least a month before."""

    words: str
    verb: str
    acts: str
    long: bool = False
    lingers: bool = False
    early: bool = False


KINDS: Final[Mapping[ObligationKind, About]] = {
    ObligationKind.ANSWER_CALL: About("Answer an order back", "call.read", "call.answer"),
    ObligationKind.SHIP_CALL: About("Ship units ordered back", "call.read", "call.answer", lingers=True),
    ObligationKind.INSPECT_CALL: About("Inspect units that came back", "call.read", "call.receive"),
    ObligationKind.REPLACE_DRAW: About("Replace drawn units", "call.read", "order.ship"),
    ObligationKind.ANSWER_ORDER: About("Answer an order", "order.read", "order.decide"),
    ObligationKind.ANSWER_OFFER: About("Answer an offer", "order.read", "quote.answer"),
    ObligationKind.SHIP_ORDER: About("Ship an order", "order.read", "order.ship", long=True, lingers=True),
    ObligationKind.ANSWER_DIFFERENCE: About(
        "Answer what was not as shipped", "order.read", "order.decide", long=True, lingers=True
    ),
    ObligationKind.ANSWER_RETURN: About("Answer a return", "order.read", "order.decide", long=True, lingers=True),
    ObligationKind.SEND_RETURN: About("Send a return back", "order.read", "order.receive", long=True, lingers=True),
    ObligationKind.ORDER_NOTICED: About("Order back before units go", "agreement.read", "sourcing.request"),
    ObligationKind.ACT_ON_NOTICE: About("Act on a notice", "agreement.read", "holding.act"),
    ObligationKind.WINDOW_OPENS: About("First day to order back", "agreement.read", "sourcing.request", long=True),
    ObligationKind.WINDOW_CLOSES: About("Last day to order back", "agreement.read", "sourcing.request", long=True),
    ObligationKind.SETTLE: About("Pay", "settlement.read", "settlement.mark", long=True, lingers=True),
    ObligationKind.SECURITY_LAPSES: About(
        "Continue a security interest", "agreement.read", "agreement.sign", long=True, lingers=True, early=True
    ),
    ObligationKind.EXPLAIN_SHORTAGE: About(
        "Count again and say where units are", "agreement.read", "holding.act", lingers=True
    ),
    ObligationKind.DECIDE_RENEWAL: About(
        "Decide about a renewal", "agreement.read", "agreement.sign", long=True, early=True
    ),
    ObligationKind.ACKNOWLEDGE_CALL: About("Acknowledge an order back", "call.read", "call.answer"),
    ObligationKind.DELIVER_CALL: About("Deliver units ordered back", "call.read", "call.answer", lingers=True),
    ObligationKind.ANSWER_PROPOSAL: About("Answer a proposal", "agreement.read", "agreement.sign", long=True),
    ObligationKind.TAKE_OUT: About("Units count as taken out", "agreement.read", "holding.act", long=True, early=True),
    ObligationKind.RETURN_REST: About(
        "Send back what is left", "agreement.read", "call.answer", long=True, lingers=True, early=True
    ),
    ObligationKind.ANSWER_RESALE: About("Answer a resale", "agreement.read", "agreement.sign", long=True),
    ObligationKind.SIGN_RESALE: About("Sign for units sold on to you", "agreement.read", "agreement.sign", long=True),
    ObligationKind.SHELF_LIFE_ENDS: About("Shelf life ends", "agreement.read", "holding.act", long=True, early=True),
    ObligationKind.SUSPENSION_ENDS: About("A suspension ends", "agreement.read", "agreement.sign", long=True),
    ObligationKind.ANSWER_RECALL: About(
        "Say what you found of stopped units", "stock.read", "holding.act", lingers=True
    ),
    ObligationKind.OBJECT: About("Object to a line", "settlement.read", "settlement.mark", long=True),
    ObligationKind.ANSWER_DISPUTE: About(
        "Answer in a dispute", "settlement.read", "settlement.mark", long=True, lingers=True
    ),
}
WINDOWS: Final = frozenset({ObligationKind.WINDOW_OPENS, ObligationKind.WINDOW_CLOSES})
LONG: Final = frozenset(kind for kind, about in KINDS.items() if about.long)
EARLY: Final = frozenset(kind for kind, about in KINDS.items() if about.early)
LINGERING: Final = frozenset(kind for kind, about in KINDS.items() if about.lingers)
_PROPOSED: Final = {
    "change": "other terms",
    "terms": "other terms",
    "end": "the proposed end",
    "renewal": "the renewal",
}
_DIFFERS: Final = {"short": "missing", "damaged": "damaged", "wrong": "another part", "over": "too many"}
_WISH: Final = {"use": "use up", "install": "fit", "scrap": "scrap", "resell": "resell"}


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that is due at ``due`` (an exclusive bound; of ``window_opens`` the bound is the moment it opens).

    ``subject_id`` and ``kind`` name it for good. ``owes_id`` is None where nobody has to do anything. ``mine``: whether
    the reader's company owes it. ``started``: since when its clock runs. ``detail``: of a call what silence means, of a
    notice the act, of a security interest the holder, of a renewal
    whether it is automatic. ``zone``: where its days are counted. ``record_id``: the record that leads to the thing to do.
    """

    kind: ObligationKind
    subject_id: UUID
    mine: bool
    due: datetime
    started: datetime | None
    zone: str
    owes_id: UUID | None
    owes: str | None
    owed_id: UUID | None
    owed: str | None
    record_id: UUID
    reference: str
    agreement_id: UUID | None
    agreement: str | None
    part_number: str | None
    description: str | None
    uom: str | None
    quantity: int | None
    amount: Decimal | None
    currency: str | None
    detail: str
    urgency: str

    @property
    def key(self) -> str:
        """What names it for good: the same as long as it stands, whoever reads it."""
        return f"{self.kind.value}-{self.subject_id}"

    @property
    def what(self) -> str:
        """What is to be done, in a few words."""
        return _what(self)

    @property
    def otherwise(self) -> str:
        """What happens if nothing is done."""
        return _otherwise(self)

    @property
    def by(self) -> str:
        """The deadline as its agreement counts it: 'by the end of 30 Nov 2026', 'from 1 Dec 2026'."""
        if self.kind is ObligationKind.WINDOW_OPENS:
            return f"from {day(local_day(self.due, self.zone))}"
        return f"by {deadline(self.due, self.zone)}"

    @property
    def path(self) -> str:
        """The page where it is done."""
        match self.kind:
            case (
                ObligationKind.ANSWER_ORDER
                | ObligationKind.SHIP_ORDER
                | ObligationKind.ANSWER_DIFFERENCE
                | ObligationKind.ANSWER_RETURN
                | ObligationKind.SEND_RETURN
            ):
                return f"/orders/{self.record_id}"
            case ObligationKind.ANSWER_OFFER:
                return f"/quotes/{self.record_id}"
            case ObligationKind.SETTLE | ObligationKind.OBJECT:
                return f"/settlement/{self.record_id}"
            case ObligationKind.ANSWER_RESALE | ObligationKind.SIGN_RESALE:
                return f"/resales/{self.record_id}"
            case ObligationKind.ANSWER_DISPUTE:
                return f"/settlement/disputes/{self.record_id}"
            case ObligationKind.ANSWER_PROPOSAL:
                return f"/agreements/{self.agreement_id or self.record_id}/proposals/{self.record_id}"
            case ObligationKind.ANSWER_RECALL:
                return f"/recalls/{self.record_id}"
            case ObligationKind.SECURITY_LAPSES:
                return f"/security-interests/{self.record_id}"
            case (
                ObligationKind.ORDER_NOTICED
                | ObligationKind.ACT_ON_NOTICE
                | ObligationKind.WINDOW_OPENS
                | ObligationKind.WINDOW_CLOSES
                | ObligationKind.EXPLAIN_SHORTAGE
                | ObligationKind.DECIDE_RENEWAL
                | ObligationKind.TAKE_OUT
                | ObligationKind.RETURN_REST
                | ObligationKind.SHELF_LIFE_ENDS
                | ObligationKind.SUSPENSION_ENDS
            ):
                return f"/agreements/{self.record_id}"
            case _:
                return f"/calls/{self.record_id}"

    def on(self, zone: str) -> date:
        """The day it stands on in a calendar of this zone: the last one, or the first of a window that opens."""
        return local_day(self.due if self.kind is ObligationKind.WINDOW_OPENS else self.due - LEAST, zone)

    def overdue(self, now: datetime) -> bool:
        """Whether the time for it is over."""
        return self.kind not in WINDOWS and self.due <= now


def units(row: Obligation) -> str:
    """'3 units of 100-A', or just 'units'."""
    if row.quantity is None:
        return "units"
    return count(row.quantity, "unit") + (f" of {row.part_number}" if row.part_number else "")


def _what(row: Obligation) -> str:
    some, act = units(row), _WISH.get(row.detail, "use")
    match row.kind:
        case ObligationKind.ANSWER_CALL:
            return f"Answer {row.reference}: {some} ordered back"
        case ObligationKind.SHIP_CALL:
            return f"Ship {some} for {row.reference}"
        case ObligationKind.INSPECT_CALL:
            return f"Inspect {some} that came back for {row.reference}"
        case ObligationKind.REPLACE_DRAW:
            return f"Replace {some} drawn by {row.reference}"
        case ObligationKind.ANSWER_ORDER:
            return f"Accept or decline {row.reference}"
        case ObligationKind.ANSWER_OFFER:
            return f"Accept, counter or decline the offer in {row.reference}"
        case ObligationKind.SHIP_ORDER:
            return f"Ship {some} of {row.reference}"
        case ObligationKind.ANSWER_DIFFERENCE:
            return f"Say what becomes of {some}, {_DIFFERS.get(row.detail, 'not as shipped')} in {row.reference}"
        case ObligationKind.ANSWER_RETURN:
            return f"Agree to take {some} of {row.reference} back, or refuse"
        case ObligationKind.SEND_RETURN:
            return f"Send {some} of {row.reference} back"
        case ObligationKind.ORDER_NOTICED:
            return f"Order back {some} under {row.reference}, or leave them"
        case ObligationKind.ACT_ON_NOTICE:
            return f"{act.capitalize()} {some} as noticed under {row.reference}"
        case ObligationKind.WINDOW_OPENS:
            return f"First day to order units back under {row.reference}"
        case ObligationKind.WINDOW_CLOSES:
            return f"Last day to order units back under {row.reference}"
        case ObligationKind.SETTLE:
            return f"Pay {_money(row)}, {row.reference}"
        case ObligationKind.SECURITY_LAPSES:
            return f"Continue security interest {row.reference} against {row.detail or 'a holder'}"
        case ObligationKind.EXPLAIN_SHORTAGE:
            return f"Count again, and say where {some} under {row.reference} are"
        case ObligationKind.DECIDE_RENEWAL if row.detail == "automatic":
            return f"Give notice if {row.reference} is not to be renewed"
        case ObligationKind.DECIDE_RENEWAL:
            return f"Agree on renewing {row.reference}, or let it end"
        case ObligationKind.ACKNOWLEDGE_CALL:
            return f"Say that {row.reference} was seen: {some} ordered back"
        case ObligationKind.DELIVER_CALL:
            return f"Deliver {some} for {row.reference}"
        case ObligationKind.ANSWER_PROPOSAL:
            return f"Answer {_PROPOSED.get(row.detail, 'a proposal')} for {row.reference}"
        case ObligationKind.TAKE_OUT:
            return f"Take out what you want under {row.reference}, or send it back: {some} left"
        case ObligationKind.RETURN_REST:
            return f"Send back what is left under {row.reference}: {some}"
        case ObligationKind.ANSWER_RESALE:
            return f"Consent to {row.reference} or refuse it: {some} sold on"
        case ObligationKind.SUSPENSION_ENDS:
            return f"Lift the suspension of {row.reference} when its cause has gone"
        case ObligationKind.SIGN_RESALE:
            return f"Sign {row.reference} for {some}"
        case ObligationKind.SHELF_LIFE_ENDS:
            return f"Shelf life ends: {some} under {row.reference}"
        case ObligationKind.OBJECT:
            return f"Object to {_money(row)}, {row.reference}, if it is wrong"
        case ObligationKind.ANSWER_RECALL:
            name = "Recall" if row.detail == "recall" else "Quality hold"
            return f"{name} {row.reference}: set aside {row.part_number or 'the units'} and say what you found"
        case ObligationKind.ANSWER_DISPUTE:
            return f"Answer in dispute {row.reference} about {_money(row)}"


def _otherwise(row: Obligation) -> str:
    owes, owed = row.owes or "nobody", row.owed or "the other side"
    match row.kind:
        case ObligationKind.ANSWER_CALL if row.detail == "accepted":
            return "No answer counts as a commitment to ship."
        case ObligationKind.ANSWER_CALL:
            return "No answer counts as a refusal: the units are asked for elsewhere."
        case ObligationKind.SHIP_CALL:
            return f"Nothing happens by itself: {owes} is in delay, and {owed} may cancel the order."
        case ObligationKind.INSPECT_CALL:
            return "What was not rejected by then counts as accepted, and is owed."
        case ObligationKind.REPLACE_DRAW:
            return f"What was not replaced by then is bought, at {_money(row)} each."
        case ObligationKind.ANSWER_ORDER:
            return "The order ends, and its units are on offer again."
        case ObligationKind.ANSWER_OFFER:
            return "The offer ends, and what it reserved is free again; another one can be made."
        case ObligationKind.SHIP_ORDER:
            return f"Nothing happens by itself: {owed} goes without what it needs."
        case ObligationKind.ANSWER_DIFFERENCE:
            return f"Nothing happens by itself: they stay {owes}'s, and {owed} sees that {owes} has not answered."
        case ObligationKind.ANSWER_RETURN:
            return f"Nothing happens by itself: the units stay where they are, and {owed} sees that {owes} has not answered."
        case ObligationKind.SEND_RETURN:
            return (
                "Nothing happens by itself: the return stays agreed, and nothing is credited before the units are back."
            )
        case ObligationKind.ORDER_NOTICED:
            return f"{owed} is then free to {_WISH.get(row.detail, 'use')} them."
        case ObligationKind.ACT_ON_NOTICE:
            return "The leave ends; another notice is needed."
        case ObligationKind.WINDOW_OPENS:
            return "Nobody has to do anything: from then on units can be ordered back."
        case ObligationKind.WINDOW_CLOSES if row.detail == "title-kept":
            return "What is left then goes back or is bought, as the terms have it."
        case ObligationKind.WINDOW_CLOSES:
            return "The right ends: nothing more can be ordered back under it."
        case ObligationKind.SETTLE:
            return "Nothing happens by itself: the line stays open and counts as overdue."
        case ObligationKind.SECURITY_LAPSES:
            return "It lapses: in an insolvency the units that it covered may fall into the holder's estate."
        case ObligationKind.EXPLAIN_SHORTAGE:
            stake = f" {_money(row)} is at stake." if row.amount else ""
            return f"Nothing happens by itself: {owes} is in breach, and the units stay out of availability.{stake}"
        case ObligationKind.DECIDE_RENEWAL if row.detail == "automatic":
            return "It is renewed for another term."
        case ObligationKind.DECIDE_RENEWAL:
            return "It ends with its last day."
        case ObligationKind.ACKNOWLEDGE_CALL:
            return "Nothing happens by itself: the order goes on to its next deadline."
        case ObligationKind.DELIVER_CALL:
            return f"{owes} is in delay; what that costs, the clause says."
        case ObligationKind.ANSWER_PROPOSAL:
            return "The proposal lapses, and the agreement stays as it is."
        case ObligationKind.TAKE_OUT:
            return "What still lies there counts as taken out, and its price is owed."
        case ObligationKind.RETURN_REST:
            return f"Nothing happens by itself: {owes} is late with it."
        case ObligationKind.ANSWER_RESALE if row.detail == "given":
            return "No answer counts as consent."
        case ObligationKind.ANSWER_RESALE:
            return "No answer is no consent: the resale ends."
        case ObligationKind.SUSPENSION_ENDS:
            return "It ends by itself: rights can be used again, and deadlines go on."
        case ObligationKind.SIGN_RESALE:
            return "The resale ends; the seller asks again."
        case ObligationKind.SHELF_LIFE_ENDS:
            return "They are out of date: whoever orders them back may reject them, as the terms have it."
        case ObligationKind.ANSWER_RECALL:
            return f"Nothing happens by itself: the units stay stopped, and {owed} sees that {owes} has not answered."
        case ObligationKind.OBJECT:
            return "The line is owed as it stands."
        case ObligationKind.ANSWER_DISPUTE if row.detail == "condition":
            return "Nothing is agreed by silence; what was found stays paid and due."
        case ObligationKind.ANSWER_DISPUTE if row.detail == "units":
            return "Nothing is agreed by silence; rejected units may then be sent back."
        case ObligationKind.ANSWER_DISPUTE:
            return "Nothing is agreed by silence; the part in dispute stays not due."


def _money(row: Obligation) -> str:
    return str(Money(row.amount, row.currency)) if row.amount is not None and row.currency else "the amount"

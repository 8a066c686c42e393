"""The lives of an agreement and of a call, as tables: from each state, the states it may go to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from marketplace.kit.errors import conflict


class AgreementState(StrEnum):
    """Where an agreement stands."""

    DRAFT = "draft"
    CLASSIFIED = "classified"
    OFFERED = "offered"
    SIGNED = "signed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RENEWED = "renewed"
    EXPIRING = "expiring"
    RUN_OFF = "run_off"
    """The window has ended; open calls and payments are still finished."""
    CLOSED = "closed"
    TERMINATED = "terminated"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    """Taken back before both had signed: the order was declined, cancelled or ran out of time."""


class CallState(StrEnum):
    """Where a call stands, in the words of the contract."""

    REQUESTED = "requested"
    ALLOCATED = "allocated"
    NOTICED = "noticed"
    ACKNOWLEDGED = "acknowledged"
    SILENT = "silent"
    ACCEPTED = "accepted"
    PICKED = "picked"
    SHIPPED = "shipped"
    RECEIVED = "received"
    INSPECTED = "inspected"
    GRADED = "graded"
    PRICED = "priced"
    SETTLED = "settled"
    CLOSED = "closed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    DEFAULTED = "defaulted"
    DISPUTED = "disputed"
    LOST = "lost"


class PageState(StrEnum):
    """What a page shows for a call."""

    WAITING = "waiting"
    COMMITTED = "committed"
    SHIPPED = "shipped"
    RECEIVED = "received"
    SETTLED = "settled"
    REFUSED = "refused"
    MISSED = "missed"
    DISPUTED = "disputed"
    CANCELLED = "cancelled"


_A = AgreementState
AGREEMENT_TRANSITIONS: Mapping[AgreementState, frozenset[AgreementState]] = {
    _A.DRAFT: frozenset({_A.CLASSIFIED, _A.SUPERSEDED}),
    _A.CLASSIFIED: frozenset({_A.DRAFT, _A.OFFERED, _A.SUPERSEDED}),
    # An offer that is changed goes back to draft: what was classified is no longer what is offered.
    _A.OFFERED: frozenset({_A.DRAFT, _A.SIGNED, _A.SUPERSEDED, _A.WITHDRAWN}),
    _A.SIGNED: frozenset({_A.ACTIVE, _A.TERMINATED}),
    _A.ACTIVE: frozenset({_A.SUSPENDED, _A.RENEWED, _A.EXPIRING, _A.TERMINATED, _A.SUPERSEDED}),
    _A.SUSPENDED: frozenset({_A.ACTIVE, _A.TERMINATED}),
    _A.RENEWED: frozenset({_A.SUSPENDED, _A.RENEWED, _A.EXPIRING, _A.TERMINATED, _A.SUPERSEDED}),
    _A.EXPIRING: frozenset({_A.SUSPENDED, _A.RENEWED, _A.RUN_OFF, _A.TERMINATED, _A.SUPERSEDED}),
    _A.RUN_OFF: frozenset({_A.CLOSED, _A.TERMINATED}),
    _A.CLOSED: frozenset(),
    # By the clock alone, once nothing is open under it and its surviving duties have ended.
    _A.TERMINATED: frozenset({_A.CLOSED}),
    _A.SUPERSEDED: frozenset(),
    _A.WITHDRAWN: frozenset(),
}

_C = CallState
CALL_TRANSITIONS: Mapping[CallState, frozenset[CallState]] = {
    _C.REQUESTED: frozenset({_C.ALLOCATED, _C.CANCELLED}),
    _C.ALLOCATED: frozenset({_C.NOTICED, _C.CANCELLED}),
    _C.NOTICED: frozenset({_C.ACKNOWLEDGED, _C.SILENT, _C.ACCEPTED, _C.REFUSED, _C.CANCELLED}),
    # Acknowledged is "seen", not yet an answer: the clock keeps running.
    _C.ACKNOWLEDGED: frozenset({_C.SILENT, _C.ACCEPTED, _C.REFUSED, _C.CANCELLED}),
    # What the clause says silence means, once the clock has run.
    _C.SILENT: frozenset({_C.ACCEPTED, _C.REFUSED}),
    # After accepting, only units under no agreement are still refused with a code: a clause binds its holder.
    _C.ACCEPTED: frozenset({_C.PICKED, _C.SHIPPED, _C.REFUSED, _C.CANCELLED, _C.DEFAULTED}),
    _C.PICKED: frozenset({_C.SHIPPED, _C.REFUSED, _C.DEFAULTED}),
    _C.SHIPPED: frozenset({_C.RECEIVED, _C.LOST}),
    _C.RECEIVED: frozenset({_C.INSPECTED, _C.DISPUTED}),
    _C.INSPECTED: frozenset({_C.GRADED, _C.PRICED, _C.DISPUTED}),
    _C.GRADED: frozenset({_C.PRICED, _C.DISPUTED}),
    _C.PRICED: frozenset({_C.SETTLED, _C.DISPUTED}),
    _C.SETTLED: frozenset({_C.CLOSED}),
    _C.CLOSED: frozenset(),
    _C.REFUSED: frozenset(),
    _C.CANCELLED: frozenset(),
    # Late, but it came: a default does not stop a shipment, nor both sides from letting it go.
    _C.DEFAULTED: frozenset({_C.SHIPPED, _C.CANCELLED, _C.DISPUTED, _C.CLOSED}),
    _C.DISPUTED: frozenset({_C.PRICED, _C.SETTLED, _C.CLOSED}),
    # A consignment that turns up after all.
    _C.LOST: frozenset({_C.RECEIVED, _C.DISPUTED, _C.CLOSED}),
}

PAGE_STATE: Mapping[CallState, PageState] = {
    _C.REQUESTED: PageState.WAITING,
    _C.ALLOCATED: PageState.WAITING,
    _C.NOTICED: PageState.WAITING,
    _C.ACKNOWLEDGED: PageState.WAITING,
    _C.SILENT: PageState.WAITING,
    _C.ACCEPTED: PageState.COMMITTED,
    _C.PICKED: PageState.COMMITTED,
    _C.SHIPPED: PageState.SHIPPED,
    _C.RECEIVED: PageState.RECEIVED,
    _C.INSPECTED: PageState.RECEIVED,
    _C.GRADED: PageState.RECEIVED,
    _C.PRICED: PageState.RECEIVED,
    _C.SETTLED: PageState.SETTLED,
    _C.CLOSED: PageState.SETTLED,
    _C.REFUSED: PageState.REFUSED,
    _C.CANCELLED: PageState.CANCELLED,
    _C.DEFAULTED: PageState.MISSED,
    _C.DISPUTED: PageState.DISPUTED,
    _C.LOST: PageState.MISSED,
}


AGREEMENT_WORDS: Mapping[AgreementState, str] = {
    _A.DRAFT: "a draft",
    _A.CLASSIFIED: "classified, not offered yet",
    _A.OFFERED: "offered and waiting for signatures",
    _A.SIGNED: "signed, but not in force yet",
    _A.ACTIVE: "in force",
    _A.SUSPENDED: "suspended",
    _A.RENEWED: "in force, renewed",
    _A.EXPIRING: "about to end",
    _A.RUN_OFF: "over; only open orders and payments are finished",
    _A.CLOSED: "closed",
    _A.TERMINATED: "terminated",
    _A.SUPERSEDED: "replaced by a newer one",
    _A.WITHDRAWN: "withdrawn",
}
CALL_WORDS: Mapping[CallState, str] = {
    _C.REQUESTED: "not sent yet",
    _C.ALLOCATED: "reserved and waiting for an approver",
    _C.NOTICED: "waiting for the holder's answer",
    _C.ACKNOWLEDGED: "seen by the holder, not answered yet",
    _C.SILENT: "unanswered past its deadline",
    _C.ACCEPTED: "committed to and not shipped yet",
    _C.PICKED: "picked for shipping",
    _C.SHIPPED: "on its way",
    _C.RECEIVED: "received and waiting for inspection",
    _C.INSPECTED: "inspected",
    _C.GRADED: "inspected and graded",
    _C.PRICED: "inspected, its price is owed",
    _C.SETTLED: "settled",
    _C.CLOSED: "closed",
    _C.REFUSED: "refused",
    _C.CANCELLED: "cancelled",
    _C.DEFAULTED: "overdue: the holder did not ship in time",
    _C.DISPUTED: "in dispute about rejected units",
    _C.LOST: "lost on its way",
}
# What can be done to them, after "cannot be" and "can be"; states that nobody brings about by hand have no word.
_AGREEMENT_DONE: Mapping[AgreementState, str] = {
    _A.OFFERED: "offered",
    _A.SIGNED: "signed",
    _A.ACTIVE: "put in force",
    _A.SUSPENDED: "suspended",
    _A.RENEWED: "renewed",
    _A.TERMINATED: "ended by both sides",
    _A.SUPERSEDED: "changed",
    _A.CLOSED: "closed",
    _A.WITHDRAWN: "withdrawn",
}
_CALL_DONE: Mapping[CallState, str] = {
    _C.NOTICED: "sent",
    _C.ACCEPTED: "committed to",
    _C.SHIPPED: "shipped",
    _C.RECEIVED: "received",
    _C.INSPECTED: "inspected",
    _C.REFUSED: "refused",
    _C.CANCELLED: "cancelled",
    _C.SETTLED: "settled",
}


def move_agreement(current: AgreementState, target: AgreementState) -> AgreementState:
    """``target`` if the table allows it; otherwise ``agreement.state``, with how it stands and what is possible."""
    possible = AGREEMENT_TRANSITIONS[current]
    if target not in possible:
        words = _impossible("agreement", AGREEMENT_WORDS[current], target, possible, _AGREEMENT_DONE)
        raise conflict("agreement.state", words, state=current.value)
    return target


def move_call(current: CallState, target: CallState) -> CallState:
    """``target`` if the table allows it; otherwise ``call.state``, with how it stands and what is possible."""
    possible = CALL_TRANSITIONS[current]
    if target not in possible:
        words = _impossible("order", CALL_WORDS[current], target, possible, _CALL_DONE)
        raise conflict("call.state", words, state=current.value)
    return target


def _impossible(what: str, stands: str, target: StrEnum, possible: Iterable[StrEnum], done: Mapping[Any, str]) -> str:
    cannot = done.get(target, target.value.replace("_", " "))
    options = [words for state, words in done.items() if state in set(possible)]
    can = f" It can be {' or '.join(options)}." if options else ""
    return f"This {what} is {stands}; it cannot be {cannot} now.{can}"

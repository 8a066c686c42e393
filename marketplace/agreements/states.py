"""The lives of an agreement and of a call, as tables: from each state, the states it may go to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

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
    _A.EXPIRING: frozenset({_A.SUSPENDED, _A.RENEWED, _A.RUN_OFF, _A.TERMINATED}),
    _A.RUN_OFF: frozenset({_A.CLOSED, _A.TERMINATED}),
    _A.CLOSED: frozenset(),
    _A.TERMINATED: frozenset(),
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
    # After accepting, a holder that finds the shelf empty still refuses with a code.
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
    # Late, but it came: a default does not stop a shipment.
    _C.DEFAULTED: frozenset({_C.SHIPPED, _C.DISPUTED, _C.CLOSED}),
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


def move_agreement(current: AgreementState, target: AgreementState) -> AgreementState:
    """``target`` if the table allows it; otherwise ``agreement.state``, with what is possible."""
    if target not in AGREEMENT_TRANSITIONS[current]:
        raise conflict("agreement.state", _impossible("agreement", current, target, AGREEMENT_TRANSITIONS[current]))
    return target


def move_call(current: CallState, target: CallState) -> CallState:
    """``target`` if the table allows it; otherwise ``call.state``, with what is possible."""
    if target not in CALL_TRANSITIONS[current]:
        raise conflict("call.state", _impossible("order", current, target, CALL_TRANSITIONS[current]))
    return target


def _impossible(
    what: str, current: StrEnum, target: StrEnum, possible: frozenset[AgreementState] | frozenset[CallState]
) -> str:
    options = ", ".join(sorted(state.value.replace("_", " ") for state in possible)) or "nothing: it is finished"
    now, then = (state.value.replace("_", " ") for state in (current, target))
    return f"This {what} is {now} and cannot become {then}. Possible now: {options}."

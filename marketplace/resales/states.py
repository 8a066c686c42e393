"""The life of a resale, as a table: who may take it from where to where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from marketplace.kit.errors import conflict


class State(StrEnum):
    """Where a resale stands."""

    ASKED = "asked"
    """Waits for the maker's consent."""
    CONSENTED = "consented"
    """Waits for the buyer's signature."""
    ACCEDED = "acceded"
    """The buyer has joined; the units are reserved for it and wait to be shipped."""
    SHIPPED = "shipped"
    RECEIVED = "received"
    REFUSED = "refused"
    CANCELLED = "cancelled"


_S = State
TRANSITIONS: Mapping[State, frozenset[State]] = {
    _S.ASKED: frozenset({_S.CONSENTED, _S.REFUSED, _S.CANCELLED}),
    _S.CONSENTED: frozenset({_S.ACCEDED, _S.CANCELLED}),
    _S.ACCEDED: frozenset({_S.SHIPPED, _S.CANCELLED}),
    _S.SHIPPED: frozenset({_S.RECEIVED}),
    _S.RECEIVED: frozenset(),
    _S.REFUSED: frozenset(),
    _S.CANCELLED: frozenset(),
}
WORDS: Mapping[State, str] = {
    _S.ASKED: "waiting for the manufacturer's consent",
    _S.CONSENTED: "waiting for the buyer's signature",
    _S.ACCEDED: "signed by the buyer and waiting to be shipped",
    _S.SHIPPED: "on its way",
    _S.RECEIVED: "received",
    _S.REFUSED: "refused by the manufacturer",
    _S.CANCELLED: "cancelled",
}


def require(current: str, target: State) -> None:
    """Raises ``resale.state`` where the table has no such step."""
    state = State(current)
    if target not in TRANSITIONS[state]:
        raise conflict("resale.state", f"This resale is {WORDS[state]}; that is not possible now.", state=state.value)


class Rank(NamedTuple):
    """How a request stands in the line for units: what has the maker's consent goes before what has not, then by time."""

    id: UUID
    status: str
    consented_at: datetime | None


def goes_first(other: Rank, this: Rank | None) -> bool:
    """Whether the other request, not shipped and not signed, has its units before this one (None: one that is asked only
    now)."""
    if this is None:
        return True
    if other.consented_at is None or this.consented_at is None:
        return other.consented_at is not None or (this.consented_at is None and other.id < this.id)
    return (other.consented_at, other.id) < (this.consented_at, this.id)

"""The demo world's ledger. Flat, frozen tuples; see the package for what holds for all."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Basis(StrEnum):
    """Where a fact comes from."""

    RECORD = "record"
    MADE_UP = "made_up"


class Lot(NamedTuple):
    """One line of stock that no serial or batch tells apart: an anonymous lot of its own."""

    id: UUID
    part_id: UUID
    uom: str
    registered_by: UUID
    parties: tuple[UUID, ...]
    """Companies that may see the lot."""
    frozen: bool
    last_seq: int
    last_position: int
    last_recorded_at: datetime
    last_occurred_at: datetime


class Position(NamedTuple):
    """Where a quantity of a lot sits, or once sat (quantity 0)."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    owner_id: UUID
    holder_id: UUID
    site_id: UUID | None
    """None = on the way."""
    condition: str
    agreement_id: UUID | None
    beneficiary_id: UUID | None
    quantity: int
    held: int


class Movement(NamedTuple):
    """One ledger entry of a lot. Sinks (used up, fitted) have no to-position; a hold and a freeze move nothing."""

    lot_id: UUID
    seq: int
    kind: str
    purpose: str | None
    quantity: int
    from_position: int | None
    to_position: int | None
    from_quantity_after: int | None
    from_held_after: int | None
    to_quantity_after: int | None
    agreement_id: UUID | None
    """The encumbrance of the from-position."""
    occurred_at: datetime
    recorded_at: datetime
    company_id: UUID
    actor_id: UUID
    command_id: UUID
    cause_kind: str
    cause_id: UUID | None
    resolves: int | None
    permit_id: UUID | None
    machine: str | None
    """What a spare was fitted into."""
    parties: tuple[UUID, ...]
    """Companies that the places it goes from and to concern."""
    basis: Basis


class Permit(NamedTuple):
    """Leave for one movement of encumbered units."""

    lot_id: UUID
    permit_id: UUID
    agreement_id: UUID
    kind: str
    quantity: int
    expires_at: datetime
    reason: str
    company_id: UUID
    maker_id: UUID


class OpenHold(NamedTuple):
    """A reservation that stands at the start: the pending movement and the call it is for."""

    lot_id: UUID
    hold_seq: int
    position_id: int
    quantity: int
    expires_at: datetime | None
    cause_kind: str
    cause_id: UUID
    company_id: UUID
    parties: tuple[UUID, ...]


class Freeze(NamedTuple):
    """What stops units: a legal hold (a company's) or a quality hold (a part's, wherever it is)."""

    id: UUID
    kind: str
    company_id: UUID | None
    part_id: UUID | None
    reason: str
    since: datetime

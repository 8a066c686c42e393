"""Orders for units back in the demo world. Flat, frozen tuples; see the package for what holds for all."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


class Requisition(NamedTuple):
    """The parts request behind a call."""

    id: UUID
    reference: str
    company_id: UUID
    maker_id: UUID
    requested_by: UUID
    part_id: UUID
    quantity: int
    destination_site_id: UUID
    urgency: str
    needed_by: datetime
    machine_model: str
    machine_serial: str
    job_number: str
    status: str
    outcome: str | None
    created_at: datetime
    closed_at: datetime | None


class Call(NamedTuple):
    """An order for units back, with price and deadlines as the clause gave them when it was noticed."""

    id: UUID
    reference: str
    kind: str
    requisition_id: UUID
    company_id: UUID
    maker_id: UUID
    holder_id: UUID
    agreement_id: UUID
    part_id: UUID
    site_id: UUID
    destination_site_id: UUID
    condition: str
    urgency: str
    quantity: int
    unit_price: Decimal
    status: str
    silence: str
    reasons: tuple[str, ...]
    inspection_days: int
    payment_days: int
    replace_by: datetime | None
    noticed_at: datetime
    respond_by: datetime
    ship_by: datetime
    expected_at: datetime
    accepted_at: datetime | None
    shipped_at: datetime | None
    received_at: datetime | None
    ended_at: datetime | None
    refusal_code: str | None
    carrier: str | None
    tracking: str | None
    inspected_good: int | None
    requested_by: UUID
    draw_fee: Decimal | None
    bought: int


class CallUnit(NamedTuple):
    """The units a call reserves."""

    call_id: UUID
    lot_id: UUID
    hold_seq: int
    maker_id: UUID
    holder_id: UUID
    company_id: UUID
    position_id: int
    quantity: int
    shipped_lot_id: UUID | None
    shipped_position_id: int | None


class CallEvent(NamedTuple):
    """What happened to a call."""

    call_id: UUID
    maker_id: UUID
    holder_id: UUID
    company_id: UUID
    kind: str
    detail: dict[str, Any]
    actor_id: UUID
    at: datetime


class Settlement(NamedTuple):
    """What a call cost, and who has marked it as settled."""

    id: UUID
    reference: str
    payer_id: UUID
    payee_id: UUID
    kind: str
    cause_id: UUID
    cause_reference: str
    agreement_id: UUID
    part_id: UUID
    quantity: int
    unit_price: Decimal
    amount: Decimal
    words: str
    due_on: date
    payer_marked_at: datetime | None
    payer_marked_by: UUID | None
    payee_marked_at: datetime | None
    payee_marked_by: UUID | None
    created_at: datetime


class Withdrawal(NamedTuple):
    """Units that a holder said are not on the shelf: out of reach until somebody counts."""

    id: UUID
    lot_id: UUID
    position_id: int
    part_id: UUID
    holder_id: UUID
    beneficiary_id: UUID
    site_id: UUID
    quantity: int
    cause_id: UUID
    opened_at: datetime
    resolved_at: datetime | None

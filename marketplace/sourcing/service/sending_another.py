"""Where the terms have the holder send other units for rejected ones: an order back follows by itself, at the price of the first,
and does not count as one more (section 9.6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreed
from marketplace.agreements import service as agreements
from marketplace.agreements.deadlines import deliver_by, ship_by
from marketplace.agreements.reach import as_of
from marketplace.agreements.remedies import default_from, due_by
from marketplace.agreements.term_kinds import RejectRemedy
from marketplace.agreements.terms import Urgency
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.canonical import encode
from marketplace.kit.ids import command_id, short_reference
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import By, OnBehalf
from marketplace.sourcing import queries
from marketplace.sourcing.in_kind import Share, Shelf, shares
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.judging import Outcome, owed_each
from marketplace.sourcing.service.ordering import free_units
from marketplace.sourcing.service.shared import announce, keep_units, set_status, tell

NOT_SHIPPED = frozenset({"accepted", "picked", "defaulted"})


def asks_for_another(outcome: Outcome) -> bool:
    """Whether other units are to be sent for what an inspection rejects."""
    return outcome.rejected > 0 and outcome.terms is not None and outcome.terms.reject_remedy is RejectRemedy.REPLACE


async def order_others(
    session: WriteSession, by: By, call: CallRow, outcome: Outcome, shelves: Sequence[Shelf], now: datetime
) -> list[UUID]:
    """Orders for the rejected units of an order, as far as others are left: one for each place that they come from, accepted from
    the start. The tenant is the maker; ``shelves`` are locked. Returns their ids."""
    assert call.agreement_id is not None and outcome.terms is not None  # noqa: S101, PT018 - the caller saw to it
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    terms = outcome.terms
    facts = as_of(terms, covered.facts, now)
    loose = facts.remaining - facts.held - facts.in_transit - facts.quality_held - facts.withdrawn
    # What the holder was told that it may use is its own to use; what was ordered already is reserved.
    wanted = min(outcome.rejected, max(loose - facts.circumstances.cleared - facts.circumstances.let_go, 0))
    found = shares(
        shelves, wanted, site_id=call.site_id, condition=call.condition, worst=terms.return_grade
    )  # fmt: skip
    by_when = ship_by(terms, Urgency.STOCK, now, facts.zone)
    there = deliver_by(terms, Urgency.STOCK, now, facts.zone)
    missed = default_from(terms, facts, due_by(terms, by_when, there))
    made = [await _order(session, by, call, terms, share, (by_when, there, missed), now) for share in found]
    sent = sum(share.quantity for share in found)
    if sent < outcome.rejected:
        await tell(session, by, call, "no_other_left", {"quantity": outcome.rejected - sent}, now)
    return made


async def _order(
    session: WriteSession,
    by: By,
    first: CallRow,
    terms: TermsV2,
    share: Share,
    deadlines: tuple[datetime, datetime | None, datetime],
    now: datetime,
) -> UUID:
    call_id: UUID = await fetch_value(session, "SELECT uuidv7()")
    by_when, there, missed = deadlines
    steps = tuple(Step(Kind.HOLD, lot, n, position) for lot, position, n in share.lots)
    command = Command(command_id("call.another", call_id), first.maker_id, by.user_id, steps, "call", call_id)
    await carry_out(session, command, now)
    where = f"{terms.clause} version {terms.version}, section 9.6"
    reasons = [
        f"In place of {phrases.count(share.quantity, 'unit')} rejected under {first.reference} ({where}).",
        f"At the price of that order, {owed_each(first)} a unit; it does not count as one more order.",
        f"The units ship by {phrases.deadline(by_when, first.zone)}.",
    ]
    await execute(
        session,
        "INSERT INTO call (id, reference, kind, requisition_id, company_id, maker_id, holder_id, agreement_id, part_id, site_id, "
        "destination_site_id, condition, urgency, quantity, unit_price, currency, status, silence, reasons, inspection_days, "
        "payment_days, requested_by, noticed_at, accepted_at, ship_by, expected_at, deliver_by, default_from, draw_fee, ship_to, "
        "replaces_id, ship_from, notice_id, clause) SELECT $1, $2, k.kind, k.requisition_id, k.company_id, k.maker_id, k.holder_id, k.agreement_id, "
        "k.part_id, $3, k.destination_site_id, $4, 'stock_order', $5, k.unit_price, k.currency, 'accepted', 'accepted', "
        "$6::jsonb, k.inspection_days, k.payment_days, k.requested_by, $7, $7, $8, $9, $9, $10, k.draw_fee, k.ship_to, k.id, "
        "site_card($3), k.notice_id, k.clause FROM call k WHERE k.id = $11",
        call_id, short_reference("CALL"), share.site_id, share.condition, share.quantity, encode(reasons).decode(), now,
        by_when, there, missed, first.id,
    )  # fmt: skip
    await keep_units(session, call_id)
    await agreements.note_in_place(session, call_id=call_id, of=first.id, units=share.quantity, now=now)
    made = await queries.call(session, call_id)
    await tell(session, by, made, "in_place", {"quantity": made.quantity, "of": first.reference}, now)
    await tell(session, by, first, "another_ordered", {"quantity": made.quantity, "by_order": made.reference}, now)
    await announce(
        session, "call.noticed", made, made.holder_id, ("buyer", "warehouse"),
        f"{made.reference}: send {made.quantity} x {made.part_number} in place of rejected units",
        f"{' '.join(reasons)} The freight is yours.",
    )  # fmt: skip
    return call_id


async def call_off_others(session: WriteSession, by: By, orders: Sequence[UUID], now: datetime) -> None:
    """All the rejected units are kept after all: what was ordered in their place and has not shipped is the holder's again. The
    orders and their lots are locked; the tenant is the maker."""
    for order in orders:
        call = await queries.call(session, order)
        if call.status not in NOT_SHIPPED:
            continue
        maker = OnBehalf(by.user_id, call.maker_id)
        await free_units(session, maker, call, "kept", now)
        await set_status(session, call, "cancelled", ended_at=now)
        await tell(session, maker, call, "cancelled", {"why": "kept"}, now)
        await announce(
            session, "call.answered", call, call.holder_id, ("buyer", "warehouse"), f"{call.reference} was cancelled",
            f"The rejected units are kept after all: the {call.quantity} x {call.part_number} are yours to keep.",
        )  # fmt: skip

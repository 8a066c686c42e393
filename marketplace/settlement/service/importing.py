"""A file of payments: judged row by row, and its good rows recorded at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, execute, fetch
from marketplace.kit.errors import busy
from marketplace.kit.ids import short_reference
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.settlement import queries
from marketplace.settlement.payments_file import Judged, Owed, judge, read_payments
from marketplace.settlement.queries import SettlementRow
from marketplace.settlement.service.counting import recount


def _owed(line: SettlementRow) -> Owed:
    return Owed(
        line.id, line.reference, line.payer_id, line.payee_id, line.payer, line.payee, line.currency, line.left, line.due_on
    )  # fmt: skip


async def preview(session: AsyncSession, actor: Actor, text: str, now: datetime) -> Sequence[Judged]:
    """What would become of each row of a file; nothing is changed. Raises ``payments.file``."""
    rows = read_payments(text)
    lines = await queries.lines_by_reference(session, sorted({x for row in rows for x in row.lines}))
    known = await queries.payments_of_key(session, actor.company_id, [row.key(actor.company_id) for row in rows])
    return judge(rows, {r: _owed(line) for r, line in lines.items()}, known, actor.company_id, now.date())


async def import_payments(session: WriteSession, actor: Actor, text: str, now: datetime) -> Sequence[Judged]:
    """Records every good row of a file, in a constant number of statements; bad rows and those recorded before change
    nothing. Returns what became of each. Raises ``payments.file``, ``payment.reference``."""
    rows = read_payments(text)
    visible = await queries.lines_by_reference(session, sorted({x for row in rows for x in row.lines}))
    locked = await queries.lines_for_update(session, [line.id for line in visible.values()]) if visible else {}
    # The same file at the same moment waits for the lock of its lines, and then finds its rows recorded.
    known = await queries.payments_of_key(session, actor.company_id, [row.key(actor.company_id) for row in rows])
    owed = {line.reference: _owed(line) for line in locked.values()}
    judged = judge(rows, owed, known, actor.company_id, now.date())
    good = [one for one in judged if one.fate == "good"]
    if not good:
        return judged
    ours = [one.from_id == actor.company_id for one in good]
    made = await fetch(
        session,
        "INSERT INTO payment (reference, from_id, to_id, currency, amount, allocated, paid_on, bank_reference, how, company_id, "
        "actor_id, payer_at, payer_by, payee_at, payee_by, import_key) "
        "SELECT r.reference, r.from_id, r.to_id, r.currency, r.amount, r.amount, r.paid_on, r.bank, 'imported', $1, $2::uuid, "
        "CASE WHEN r.ours THEN $3::timestamptz END, CASE WHEN r.ours THEN $2::uuid END, "
        "CASE WHEN NOT r.ours THEN $3::timestamptz END, CASE WHEN NOT r.ours THEN $2::uuid END, r.key "
        "FROM unnest($4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::numeric[], $9::date[], $10::text[], $11::boolean[], "
        "$12::text[]) AS r (reference, from_id, to_id, currency, amount, paid_on, bank, ours, key) "
        "ON CONFLICT DO NOTHING RETURNING id, import_key",
        actor.company_id, actor.user_id, now, [short_reference("PAY") for _ in good], [x.from_id for x in good],
        [x.to_id for x in good], [x.currency for x in good], [x.row.amount for x in good],
        [x.row.paid_on for x in good], [x.row.reference for x in good], ours,
        [x.row.key(actor.company_id) for x in good],
    )  # fmt: skip
    ids = {r["import_key"]: r["id"] for r in made}
    if len(ids) < len(good):
        raise busy(
            "payment.reference", "Somebody recorded the same payments this instant. Nothing was changed; try again."
        )
    shares = [
        (ids[x.row.key(actor.company_id)], line_id, x.from_id, x.to_id, amount)
        for x in good
        for line_id, amount in x.amounts.items()
    ]
    await execute(
        session,
        "INSERT INTO payment_allocation (payment_id, line_id, from_id, to_id, amount, actor_id, at) "
        "SELECT a.*, $6, $7 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::numeric[]) AS a",
        *(list(column) for column in zip(*shares, strict=True)), actor.user_id, now,
    )  # fmt: skip
    await recount(session, actor, {line_id: locked[line_id] for _, line_id, _, _, _ in shares}, now)
    await _announce(session, actor, good)
    return judged


async def _announce(session: WriteSession, actor: Actor, good: Sequence[Judged]) -> None:
    """One event for each company that has something to confirm."""
    others: dict[UUID, int] = {}
    for one in good:
        other = one.to_id if one.from_id == actor.company_id else one.from_id
        if other is not None:
            others[other] = others.get(other, 0) + 1
    for other, count in others.items():
        sides = (actor.company_id, other)
        await emit(session, "payment.imported", "company", other, sides, {"count": count, "by": actor.company_id})

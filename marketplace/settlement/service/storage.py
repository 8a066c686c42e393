"""What the manufacturer owes for storing the minimum to keep: for every year that ends, once, however late the clock runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.agreements import service as leave
from marketplace.agreements.covered import Covered
from marketplace.agreements.storage import storage_fee, year_end
from marketplace.db.session import WriteSession
from marketplace.kit.clock import end_of_day, local_day
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.settlement.service.owing import owe


async def owe_storage(session: WriteSession, agreement_id: UUID, now: datetime) -> int:
    """Writes a line for each part and each year of an agreement that is over, and moves to the next year, under the agreement's
    lock. Returns how many lines were written."""
    found = (await agreements.agreements_for_update(session, [agreement_id])).get(agreement_id)
    if found is None:
        return 0
    _, pairs = await agreements.signed_lines(session, agreement_id)
    covered = await agreements.terms_and_facts(session, pairs)
    written = 0
    while (years := await agreements.storage_years(session, agreement_id)).due_at is not None and years.due_at <= now:
        for known in covered.values():
            written += await _owe(session, known, years.schedule_id, years.settled + 1)
        await leave.settle_storage_year(session, agreement_id)
    return written


async def _owe(session: WriteSession, known: Covered, schedule_id: UUID, year: int) -> int:
    facts = known.facts
    until = year_end(facts, year)
    since = year_end(facts, year - 1) if year > 1 else end_of_day(facts.schedule_date - timedelta(days=1), facts.zone)
    kept = await agreements.fewest_kept(
        session, known.agreement_id, known.part_id, since, until, from_receipt=year == 1
    )
    back, above = await agreements.taken_back_since(session, known.agreement_id, known.part_id, until)
    taken = max(facts.taken_back - back, 0)
    then = replace(facts, taken_back=taken, taken_above=min(max(facts.taken_above - above, 0), taken))
    due = storage_fee(known.clauses, then, kept, until)
    if due is None or due.amount is None or not due.amount.amount or due.by is None:
        return 0
    each = Money(due.amount.amount / due.units, due.amount.currency)
    await owe(
        session, payer_id=known.maker_id, payee_id=known.holder_id, kind="storage", cause_id=schedule_id,
        cause_reference=known.reference, agreement_id=known.agreement_id, part_id=known.part_id,
        step_id=command_id("storage", known.part_id, year), quantity=due.units, unit_price=each,
        words=f"Year {year} of the schedule. {due.words}",
        # The bound is exclusive: due on the last day before it.
        due_on=local_day(due.by - timedelta(microseconds=1), facts.zone),
    )  # fmt: skip
    return 1

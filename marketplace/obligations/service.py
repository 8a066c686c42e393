"""The verbs of obligations: remind a company, and say how it wants to be reminded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import queries as agreement_queries
from marketplace.agreements import service as agreements
from marketplace.db.session import WriteSession, acting_for, execute, fetch
from marketplace.kit.errors import invalid
from marketplace.obligations import queries
from marketplace.obligations.queries import Owing
from marketplace.obligations.reminding import MOST_DAYS, MOST_HOURS, TOLD, Setting, Step, digest
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor, By
from marketplace.parties.queries import people_to_tell


async def set_reminders(session: WriteSession, actor: Actor, wanted: Setting, now: datetime) -> Setting:
    """How the actor's company is reminded from now on. Raises ``reminder.before``."""
    for field, most in (("hours_before", MOST_HOURS), ("days_before", MOST_DAYS)):
        if not 1 <= getattr(wanted, field) <= most:
            raise invalid("reminder.before", f"Give 1 to {most}.", field=field)
    await execute(
        session,
        "INSERT INTO reminder_setting (company_id, hours_before, days_before, mails, changed_by, changed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (company_id) DO UPDATE SET hours_before = $2, days_before = $3, "
        "mails = $4, changed_by = $5, changed_at = $6",
        actor.company_id, wanted.hours_before, wanted.days_before, wanted.mails, actor.user_id, now,
    )  # fmt: skip
    return wanted


async def remind(session: WriteSession, company_id: UUID, now: datetime) -> int:
    """Tells a company in one mail what is due soon and what is overdue and it was not told before (worker). Returns how
    many it was told.

    What is due is read in this transaction, so nothing is told that was done before it. Each is told once however
    many workers there are: the row that says so is unique, and whoever comes second waits for the first and then
    finds it there. A mail and an act in the same moment may cross; the mail then tells of what has just been done.
    """
    found = await queries.to_remind(session, now, company_id=company_id)
    new = await _noted(session, company_id, found, now)
    if not new:
        return 0
    async with acting_for(session, company_id):
        to = await people_to_tell(session, company_id, TOLD)
    payload: dict[str, object] = {"count": len(new)}
    if to:
        rows = {step: [o.row for o in new if o.step is step] for step in Step}
        mail = digest(rows[Step.AHEAD], rows[Step.OVERDUE])
        payload["mail"] = {"to": to, "subject": mail.subject, "text": mail.text, "link": mail.link}
    await emit(session, "obligations.due", "company", company_id, (company_id,), payload)
    return len(new)


async def _noted(session: WriteSession, company_id: UUID, found: Sequence[Owing], now: datetime) -> list[Owing]:
    """Those that nobody told before, written down as told. Written in one order, so that two workers never wait for each
    other."""
    wanted = {(o.row.subject_id, o.row.kind.value, o.step.value, o.row.due): o for o in found}
    keys = sorted(wanted)
    rows = await fetch(
        session,
        "INSERT INTO reminder (company_id, subject_id, kind, step, due_at, sent_at) "
        "SELECT $1, t.subject_id, t.kind, t.step, t.due_at, $2 "
        "FROM unnest($3::uuid[], $4::text[], $5::text[], $6::timestamptz[]) AS t (subject_id, kind, step, due_at) "
        "ON CONFLICT DO NOTHING RETURNING subject_id, kind, step, due_at",
        company_id, now, *([key[n] for key in keys] for n in range(4)),
    )  # fmt: skip
    written = {tuple(r) for r in rows}
    return [owing for key, owing in wanted.items() if key in written]


async def close_run_off(session: WriteSession, by: By, agreement_id: UUID, now: datetime) -> int:
    """Closes an agreement whose right and duties have ended, where nothing is open under it any more (worker): its units
    stand under no agreement. 0 where something is open after all.

    What is open is asked under the locks of the lots and of the agreement, as closing takes them: nothing new begins under
    them once the right has ended, so what is not open then stays so."""
    await agreement_queries.units_for_update(session, agreement_id)
    found = (await agreement_queries.agreements_for_update(session, [agreement_id])).get(agreement_id)
    term = await agreement_queries.term_of(session, agreement_id)
    over = term.survives_until is not None and term.survives_until <= now
    if found is None or found.status not in ("run_off", "terminated") or found.legal_hold or not over:
        return 0
    if (await queries.still_open(session, agreement_id)).anything:
        return 0
    await agreements.close_ended(
        session, by, agreement_id, now, why="By the clock: nothing was open under it any more."
    )
    return 1

"""Recording that a holder is insolvent, and lifting that. Locks: the pair of companies, then agreements; no lots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import service as agreements
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.clock import ELSEWHERE
from marketplace.kit.errors import conflict, invalid
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import VERBS, Actor
from marketplace.safeguards import queries
from marketplace.safeguards.queries import Standing

MOST = 500
MOST_SOURCE = 200


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record came to: its id, agreements put under legal hold, and agreements that were already."""

    id: UUID
    held: int
    held_before: int


async def record_insolvency(
    session: WriteSession,
    actor: Actor,
    *,
    company_id: UUID,
    reason: str,
    source: str,
    opened_on: date,
    administrator: str,
    now: datetime,
) -> Recorded:
    """Records that a company that holds the actor's units is insolvent, and puts every agreement with it that is not over
    under legal hold, in as many statements for thousands as for one. Orders back stay where they are and stand still.

    ``source``: how it is known (a court's case number); ``opened_on``: since when; ``administrator``: the person in charge
    of the estate, empty while nobody is. Raises ``insolvency.maker``, ``insolvency.company``, ``insolvency.reason``,
    ``insolvency.source``, ``insolvency.opened_on``, ``insolvency.administrator``, ``company.not_found``,
    ``insolvency.recorded`` when one stands."""
    if not actor.is_manufacturer:
        raise invalid("insolvency.maker", "Only a manufacturer records this of a company that holds its units.")
    why = _text(reason, "reason", "Say what happened", MOST)
    known = _text(source, "source", "Say how you know: a court and case number, a gazette, a letter", MOST_SOURCE)
    in_charge = _text(administrator, "administrator", "", MOST_SOURCE, required=False)
    if opened_on > now.date() + ELSEWHERE or opened_on.year < 1990:
        raise invalid("insolvency.opened_on", "Give the day since when, not one to come.", field="opened_on")
    company = await parties.company(session, company_id)
    if company_id == actor.company_id or not company.is_partner:
        raise invalid("insolvency.company", "Choose a company that holds or could hold your units.", field="company_id")
    count, standing = await queries.latest_for_update(session, actor.company_id, company_id)
    if standing is not None:
        raise conflict(
            "insolvency.recorded",
            f"An insolvency of {company.name} is on record already, since {phrases.day(standing.opened_on)}. Add what is new "
            "to that record.",
            insolvency_id=str(standing.id),
        )
    made: UUID = await fetch_value(
        session,
        "INSERT INTO insolvency (maker_id, company_id, number, reason, source, opened_on, administrator, recorded_by, "
        "recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        actor.company_id, company_id, count + 1, why, known, opened_on, in_charge, actor.user_id, now,
    )  # fmt: skip
    found = await agreements.hold_all(session, actor, company_id, made, f"Insolvency: {why}"[:MOST], now)
    await execute(
        session,
        "INSERT INTO insolvency_hold (insolvency_id, agreement_id, maker_id, held_before) "
        "SELECT $1, x.id, $2, x.held FROM unnest($3::uuid[], $4::boolean[]) AS x (id, held)",
        made, actor.company_id, [x.id for x in found], [x.held for x in found],
    )  # fmt: skip
    held = sum(not x.held for x in found)
    what = "agreements are" if held != 1 else "agreement is"
    await _tell(
        session, actor, company_id, made, "recorded", held,
        f"{actor.company_name} has put your agreements under legal hold",
        f"{held:,} {what} under legal hold: the units stay where and as they are, nothing ships and no time runs. Reason: {why}",
    )  # fmt: skip
    return Recorded(made, held, len(found) - held)


async def note_insolvency(
    session: WriteSession, actor: Actor, insolvency_id: UUID, *, text: str, administrator: str, now: datetime
) -> None:
    """Adds what became known later, and who is in charge of the estate now where that has changed. Raises
    ``insolvency.not_found``, ``insolvency.note``, ``insolvency.administrator``."""
    await queries.insolvency(session, actor.company_id, insolvency_id)
    words = _text(text, "note", "Say what is new", MOST)
    in_charge = _text(administrator, "administrator", "", MOST_SOURCE, required=False)
    await execute(
        session,
        "INSERT INTO insolvency_note (insolvency_id, maker_id, note, administrator, noted_by, noted_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        insolvency_id, actor.company_id, words, in_charge or None, actor.user_id, now,
    )  # fmt: skip


async def lift_insolvency(
    session: WriteSession, actor: Actor, insolvency_id: UUID, *, reason: str, now: datetime
) -> int:
    """Lifts a record, and with it the legal holds that it set and that are still its own: neither those that stood before,
    nor one that was lifted and set anew by hand. Returns how many.

    Raises ``insolvency.not_found``, ``insolvency.reason``, ``insolvency.lifted``."""
    why = _text(reason, "reason", "Say why it stands no longer", MOST)
    row = await queries.insolvency(session, actor.company_id, insolvency_id)
    _, standing = await queries.latest_for_update(session, actor.company_id, row.company_id)
    if standing is None or standing.id != insolvency_id:
        raise conflict("insolvency.lifted", "This record was lifted already.")
    found = await queries.held_before(session, insolvency_id)
    lifted = await agreements.lift_all(session, actor, row.company_id, insolvency_id, found, why, now)
    await execute(
        session,
        "INSERT INTO insolvency_lifted (insolvency_id, maker_id, reason, holds, lifted_by, lifted_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        insolvency_id, actor.company_id, why, lifted, actor.user_id, now,
    )  # fmt: skip
    await _tell(
        session, actor, row.company_id, insolvency_id, "lifted", lifted,
        f"{actor.company_name} has lifted the legal hold on your agreements",
        f"{lifted:,} {'agreements go' if lifted != 1 else 'agreement goes'} on: deadlines move by the time they stood still. "
        f"Reason: {why}",
    )  # fmt: skip
    return lifted


async def refuse_insolvent(session: WriteSession, maker_id: UUID, company_ids: Sequence[UUID], words: str) -> None:
    """Raises ``company.insolvent`` where one of these companies is on record as insolvent; none is recorded until this
    transaction ends. ``words``: how to go on. On the maker's behalf, before any lot is locked."""
    found = await queries.standing_of_for_share(session, maker_id, company_ids)
    if found:
        raise conflict("company.insolvent", f"{told(found)} {words}", companies=[str(x.company_id) for x in found])


def told(found: Sequence[Standing]) -> str:
    """'Acme is on record as insolvent since 1 Nov 2026.'"""
    if len(found) == 1:
        return f"{found[0].company} is on record as insolvent since {phrases.day(found[0].opened_on)}."
    return f"{phrases.listed([x.company for x in found], 'and')} are on record as insolvent."


def _text(text: str, field: str, words: str, most: int, *, required: bool = True) -> str:
    if (required and not text.strip()) or len(text.strip()) > most:
        raise invalid(f"insolvency.{field}", f"{words or 'Write it'}, in at most {most} characters.", field=field)
    return text.strip()


async def _tell(
    session: WriteSession, actor: Actor, company_id: UUID, record: UUID, kind: str, holds: int, subject: str, text: str
) -> None:
    """The event of the maker's own record, and one mail to who may sign at the holder where holds were set or lifted."""
    to: list[str] = []
    if holds:
        async with acting_for(session, company_id):
            to = await parties.people_to_tell(session, company_id, sorted(VERBS["agreement.sign"][0]))
    payload: dict[str, object] = {"company_id": company_id, "holds": holds}
    if to:
        payload["mail"] = {"to": to, "subject": subject, "text": text, "link": "/agreements"}
    await emit(session, f"insolvency.{kind}", "insolvency", record, (actor.company_id,), payload)

"""Security interests: recorded, continued before they lapse, ended."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.clock import ELSEWHERE
from marketplace.kit.errors import conflict, invalid
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.safeguards import queries
from marketplace.safeguards.interest_kinds import KINDS

MOST = 500
MOST_NAME = 200


async def record_interest(
    session: WriteSession,
    actor: Actor,
    *,
    company_id: UUID | None,
    agreement_id: UUID | None,
    kind: str,
    filed_with: str,
    number: str,
    filed_on: date,
    expires_on: date | None,
    text: str,
    continues_id: UUID | None,
    now: datetime,
) -> UUID:
    """Records a security interest in the units under one agreement, or under all with a holder. One that ``continues``
    another ends that one, and is for the same.

    ``expires_on``: its last day, None where it does not lapse. Raises ``security_interest.maker``,
    ``security_interest.subject``, ``security_interest.kind``, ``security_interest.number``,
    ``security_interest.filed_on``, ``security_interest.expires_on``, ``security_interest.note``,
    ``security_interest.ended``, ``agreement.not_found``, ``company.not_found``."""
    if not actor.is_manufacturer:
        raise invalid("security_interest.maker", "Only a manufacturer keeps these, for the units that others hold.")
    if kind not in KINDS:
        raise invalid("security_interest.kind", f"Choose one of: {', '.join(KINDS)}.", field="kind")
    known = number.strip()
    if not known or len(known) > MOST_NAME or len(filed_with.strip()) > MOST_NAME:
        raise invalid(
            "security_interest.number",
            f"Give the number it is found by, and where it is filed, in at most {MOST_NAME} characters each.", field="number",
        )  # fmt: skip
    if filed_on > now.date() + ELSEWHERE or filed_on.year < 1950:
        raise invalid("security_interest.filed_on", "Give the day it was filed, not one to come.", field="filed_on")
    if expires_on is not None and (expires_on < filed_on or expires_on.year > 2200):
        raise invalid("security_interest.expires_on", "It cannot lapse before it was filed.", field="expires_on")
    if len(text.strip()) > MOST:
        raise invalid("security_interest.note", f"At most {MOST} characters.", field="note")
    if continues_id is not None:
        before = await queries.security_interest_for_update(session, actor.company_id, continues_id)
        _in_force(before)
        company_id, agreement_id = before.company_id, before.agreement_id
    elif agreement_id is not None:
        found = await agreements.agreement(session, actor, agreement_id)
        if found.row.maker_id != actor.company_id or company_id not in (None, found.row.holder_id):
            raise invalid(
                "security_interest.subject", "Name an agreement of yours with this holder.", field="agreement_id"
            )
        company_id = found.row.holder_id
    if company_id is None:
        raise invalid(
            "security_interest.subject", "Name an agreement, or the holder for all of them.", field="company_id"
        )
    holder = await parties.company(session, company_id)
    if company_id == actor.company_id or not holder.is_partner:
        raise invalid("security_interest.subject", "Choose a company that holds your units.", field="company_id")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO security_interest (maker_id, company_id, agreement_id, continues_id, kind, filed_with, number, filed_on, "
        "expires_on, note, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id",
        actor.company_id, company_id, agreement_id, continues_id, kind, filed_with.strip(), known, filed_on, expires_on,
        text.strip(), actor.user_id, now,
    )  # fmt: skip
    if continues_id is not None:
        await _end(session, actor, continues_id, f"Continued as {known}", now)
    return made


async def end_interest(session: WriteSession, actor: Actor, interest_id: UUID, *, reason: str, now: datetime) -> None:
    """Ends an interest: paid, released, given up. Raises ``security_interest.not_found``, ``security_interest.ended``,
    ``security_interest.reason``."""
    if not reason.strip() or len(reason) > MOST:
        raise invalid("security_interest.reason", f"Give the reason, in at most {MOST} characters.", field="reason")
    _in_force(await queries.security_interest_for_update(session, actor.company_id, interest_id))
    await _end(session, actor, interest_id, reason.strip(), now)


def _in_force(row: queries.InterestRow) -> None:
    if row.ended_at is not None:
        raise conflict("security_interest.ended", "This security interest has ended already.")


async def _end(session: WriteSession, actor: Actor, interest_id: UUID, reason: str, now: datetime) -> None:
    await execute(
        session,
        "INSERT INTO security_interest_end (security_interest_id, maker_id, reason, ended_by, ended_at) "
        "VALUES ($1, $2, $3, $4, $5)",
        interest_id, actor.company_id, reason, actor.user_id, now,
    )  # fmt: skip

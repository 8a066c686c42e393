"""Noting what was done about security, and telling the person by mail where it may not have been them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from marketplace.db.session import WriteSession, fetch_one
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parties.acts import ACTS, MAILED, OF_THE_COMPANY


class Source(NamedTuple):
    """Where a request comes from: its network address, and what its browser says of itself."""

    place: str = ""
    device: str = ""


async def note(
    session: WriteSession,
    act: str,
    now: datetime,
    *,
    company_id: UUID,
    user_id: UUID | None = None,
    by: UUID | None = None,
    detail: str = "",
    source: Source | None = None,
    session_id: UUID | None = None,
) -> None:
    """Adds the act, in the transaction that does it. ``source`` None: where ``session_id`` was signed in from."""
    place, device = source or (None, None)
    row = await fetch_one(
        session,
        "INSERT INTO security_act (company_id, user_id, by_user_id, act, detail, place, device, at) "
        "SELECT $1, $2, $3, $4, $5, coalesce($6::text, s.place, ''), coalesce($7::text, s.device, ''), $8 "
        "FROM (SELECT 1) AS one LEFT JOIN user_session s ON s.id = $9 "
        "RETURNING id, place, device, (SELECT email FROM user_account WHERE id = $2) AS email",
        company_id, user_id, by, act, detail[:500], place, device, now, session_id,
    )  # fmt: skip
    if act not in MAILED or row is None or row["email"] is None:
        return
    where = " on ".join(part for part in (row["device"], row["place"]) if part)
    words = [f"{ACTS[act]}, on {now:%Y-%m-%d} at {now:%H:%M} UTC{f' ({where})' if where else ''}."]
    words += [detail] if detail else []
    words.append(
        "If this was you, there is nothing to do. If not, set a new password with 'Forgot your password?' on the sign-in page, and tell an "
        "administrator of your company."
    )
    mail = {
        "to": [row["email"]],
        "subject": f"Your account: {ACTS[act].lower()}",
        "text": "\n\n".join(words),
        "link": "/account",
    }
    await emit(session, "account.security", "security_act", row["id"], [company_id], {"mail": mail})


async def note_by(
    session: WriteSession, actor: Actor, act: str, now: datetime, *, user_id: UUID | None = None, detail: str = ""
) -> None:
    """As ``note``, of something the actor does: to ``user_id``, to the company, or else to their own account."""
    whose = None if act in OF_THE_COMPANY else user_id or actor.user_id
    await note(
        session, act, now, company_id=actor.company_id, user_id=whose, by=actor.user_id,
        detail=detail, session_id=actor.session_id,
    )  # fmt: skip

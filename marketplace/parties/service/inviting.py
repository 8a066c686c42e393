"""Inviting people: a mailed link by which somebody sets name and password themselves, once, within seven days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from asyncpg import UniqueViolationError

from marketplace.db.session import Database, Tenant, WriteSession, execute, fetch_value
from marketplace.kit.emails import check_email
from marketplace.kit.errors import conflict, gone, invalid
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.acts import INVITED_FOR
from marketplace.parties.queries import accounts as queries
from marketplace.parties.queries.accounts import InvitationRow
from marketplace.parties.service.people import check_roles, no_wider
from marketplace.parties.service.security import Source, note, note_by
from marketplace.parties.service.signing_in import new_password


async def invite(
    session: WriteSession,
    actor: Actor,
    *,
    email: str,
    roles: Sequence[str],
    site_id: UUID | None = None,
    order_limit: Decimal | None = None,
    now: datetime,
) -> UUID:
    """Mails somebody the link to join. Raises ``user.email``, ``user.roles``, ``user.wider``, ``site.not_found``,
    ``invitation.open``, ``auth.recent``."""
    actor.require_recent(now)
    check_roles(roles)
    no_wider(actor, roles)
    address = check_email(email, "user.email")
    if site_id is not None:
        await parties.own_site(session, actor, site_id)
    # Only of the own company is it told who has an account: whoever signs in elsewhere learns it from the link.
    if await fetch_value(
        session,
        "SELECT 1 FROM user_account WHERE company_id = $1 AND lower(email) = lower($2)",
        actor.company_id,
        address,
    ):
        raise conflict("user.email", "Somebody of your company signs in by this address already.", field="email")
    try:
        made: UUID = await fetch_value(
            session,
            "INSERT INTO invitation (company_id, email, roles, site_id, order_limit_amount, invited_by, sent_at, expires_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
            actor.company_id, address, sorted(set(roles)), site_id, order_limit, actor.user_id, now, now + INVITED_FOR,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict(
            "invitation.open",
            "This address is invited already. Send that invitation again, or withdraw it first.",
            field="email",
        ) from None
    await _mail(session, actor, made, address, roles)
    await note_by(session, actor, "person_invited", now, detail=f"{address}: {', '.join(sorted(set(roles)))}")
    return made


async def _mail(session: WriteSession, actor: Actor, invitation_id: UUID, address: str, roles: Sequence[str]) -> None:
    mail = {
        "to": [address],
        "subject": f"{actor.company_name} invites you to Backstock",
        "text": f"{actor.user_name} invites you to work for {actor.company_name} as {', '.join(sorted(set(roles)))}. With the link you set your "
        f"name and a password. It works once, for {INVITED_FOR.days} days.",
        "link": f"/join/{invitation_id}.{actor.company_id}",
    }
    await emit(
        session, "account.invited", "invitation", invitation_id, [actor.company_id], {"mail": mail, "signed": True}
    )


def _open(found: InvitationRow) -> None:
    if found.accepted_at is not None:
        raise conflict("invitation.accepted", "This person has joined already.")
    if found.withdrawn_at is not None:
        raise conflict("invitation.withdrawn", "This invitation was withdrawn. Invite them anew.")


async def send_again(session: WriteSession, actor: Actor, invitation_id: UUID, now: datetime) -> None:
    """Mails the link once more; its seven days begin anew. Raises ``invitation.not_found``, ``invitation.accepted``,
    ``invitation.withdrawn``, ``user.wider``."""
    found = await queries.invitation_for_update(session, invitation_id, actor.company_id)
    _open(found)
    no_wider(actor, found.roles)
    await execute(
        session, "UPDATE invitation SET sent_at = $2, expires_at = $3, times_sent = times_sent + 1 WHERE id = $1",
        invitation_id, now, now + INVITED_FOR,
    )  # fmt: skip
    await _mail(session, actor, invitation_id, found.email, found.roles)
    await note_by(session, actor, "invitation_sent", now, detail=found.email)


async def withdraw(session: WriteSession, actor: Actor, invitation_id: UUID, now: datetime) -> None:
    """The link stops working at once. Raises ``invitation.not_found``, ``invitation.accepted``, ``invitation.withdrawn``."""
    found = await queries.invitation_for_update(session, invitation_id, actor.company_id)
    _open(found)
    await execute(session, "UPDATE invitation SET withdrawn_at = $2 WHERE id = $1", invitation_id, now)
    await note_by(session, actor, "invitation_withdrawn", now, detail=found.email)


def _usable(found: InvitationRow, now: datetime) -> InvitationRow:
    status = found.status(now)
    who = f"{found.inviter} of {found.company}" if found.inviter else found.company
    if status == "accepted":
        raise gone(
            "invitation.used",
            "This invitation was used already. If that was you, sign in with the password you chose then.",
        )
    if status == "withdrawn":
        raise gone("invitation.withdrawn", f"This invitation was withdrawn. Ask {who} for another.")
    if status == "lapsed":
        raise gone(
            "invitation.lapsed", f"This invitation lapsed on {found.expires_at:%Y-%m-%d}. Ask {who} to send it again."
        )
    return found


async def look_at(database: Database, link: tuple[UUID, UUID], now: datetime) -> InvitationRow:
    """What the link invites to. Raises ``invitation.used``, ``invitation.withdrawn``, ``invitation.lapsed``."""
    async with database.read(Tenant(link[1])) as session:
        return _usable(await queries.invitation(session, *link), now)


async def join(
    database: Database, link: tuple[UUID, UUID], *, name: str, password: str, source: Source, now: datetime
) -> UUID:
    """The invited person becomes one of the company, with the roles of the invitation. Raises as ``look_at``; ``user.name``,
    ``user.password``, ``user.email``."""
    async with database.write(Tenant(link[1])) as session:
        found = _usable(await queries.invitation_for_update(session, *link), now)
        if not name.strip():
            raise invalid("user.name", "Say what you are called.", field="name")
        code = await fetch_value(session, "SELECT code FROM company WHERE id = $1", found.company_id)
        hashed = await new_password(password, name, found.email, found.company, code)
        try:
            made: UUID = await fetch_value(
                session,
                "INSERT INTO user_account (company_id, email, name, password_hash, roles, site_id, order_limit_amount, email_confirmed_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
                found.company_id, found.email, name.strip(), hashed, found.roles, found.site_id, found.order_limit_amount, now,
            )  # fmt: skip
        except UniqueViolationError:
            raise conflict(
                "user.email",
                "Somebody signs in by this address already. Ask to be invited at another one.",
                field="email",
            ) from None
        await execute(
            session, "UPDATE invitation SET accepted_at = $2, user_id = $3 WHERE id = $1", found.id, now, made
        )
        await note(
            session, "person_joined", now, company_id=found.company_id, user_id=made, by=made, source=source,
            detail=f"{found.email}: {', '.join(found.roles)}. Invited by {found.inviter}.",
        )  # fmt: skip
    return made

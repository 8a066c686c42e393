"""The people of a company."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from asyncpg import UniqueViolationError

from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.emails import check_email
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.parties import queries
from marketplace.parties.actor import ROLES, VERBS, Actor
from marketplace.parties.service.security import note, note_by
from marketplace.parties.service.signing_in import new_password
from marketplace.parties.service.trusting import end_feed


def check_roles(roles: Sequence[str]) -> None:
    """Raises ``user.roles`` for a role that there is not, or for none."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise invalid(
            "user.roles", f"Unknown role {', '.join(unknown) or '(none)'}. Roles: {', '.join(ROLES)}.", field="roles"
        )


def no_wider(actor: Actor, roles: Iterable[str]) -> None:
    """An API key makes nobody who may do more than itself, and takes nobody over who may."""
    given = set(roles)
    wider = sorted(verb for verb, (may, _) in VERBS.items() if may & given and not actor.carries(verb))
    if wider:
        raise forbidden(
            "user.wider",
            f"This API key does not carry {', '.join(wider[:5])}{' and more' if len(wider) > 5 else ''} itself, so it can "
            "neither give these roles nor change somebody who has them. Sign in to do it.",
        )


async def create_user(
    session: WriteSession,
    actor: Actor | None,
    *,
    company_id: UUID,
    email: str,
    name: str,
    password: str,
    roles: Sequence[str],
    site_id: UUID | None = None,
    order_limit: Decimal | None = None,
    now: datetime,
) -> UUID:
    """A new person. ``actor`` None: the operator, on the command line. Raises ``user.email``, ``user.roles``,
    ``user.password``, ``user.wider``, ``auth.recent``."""
    check_roles(roles)
    if actor is not None:
        actor.require_recent(now)
        no_wider(actor, roles)
    address = check_email(email, "user.email")
    company = await queries.company(session, company_id)
    hashed = await new_password(password, name, address, company.name, company.code)
    try:
        made: UUID = await fetch_value(
            session,
            "INSERT INTO user_account (company_id, email, name, password_hash, roles, site_id, order_limit_amount) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            company_id, address, name, hashed, sorted(set(roles)), site_id, order_limit,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict("user.email", "This e-mail address is in use already.", field="email") from None
    await note(
        session, "person_added", now, company_id=company_id, user_id=made, by=actor.user_id if actor else None,
        detail=f"{address}: {', '.join(sorted(set(roles)))}", session_id=actor.session_id if actor else None,
    )  # fmt: skip
    return made


async def change_user(
    session: WriteSession,
    actor: Actor,
    user_id: UUID,
    *,
    name: str,
    roles: Sequence[str],
    site_id: UUID | None = None,
    order_limit: Decimal | None = None,
    password: str | None = None,
    now: datetime,
) -> None:
    """Changes a person of the actor's company; with a new password their sessions end. Roles count from the next
    request. Raises ``user.not_found``, ``user.roles``, ``user.password``, ``user.last_admin``, ``user.wider``."""
    check_roles(roles)
    before = await queries.user(session, actor, user_id)
    no_wider(actor, [*roles, *before.roles])
    if password:
        actor.require_recent(now)
    hashed = (
        await new_password(password, name, before.email, actor.company_name, actor.company_code) if password else None
    )
    await _keep_an_admin(session, actor, user_id, stays="admin" in roles)
    await execute(
        session,
        "UPDATE user_account SET name = $2, roles = $3, site_id = $4, order_limit_amount = $5, "
        "password_hash = coalesce($6, password_hash) WHERE id = $1",
        user_id, name, sorted(set(roles)), site_id, order_limit, hashed,
    )  # fmt: skip
    if hashed:
        await _end_sessions(session, user_id, now)
        await note_by(session, actor, "password_set", now, user_id=user_id)
    if set(roles) != set(before.roles):
        words = f"From {', '.join(before.roles)} to {', '.join(sorted(set(roles)))}."
        await note_by(session, actor, "roles_changed", now, user_id=user_id, detail=words)


async def switch_user(session: WriteSession, actor: Actor, user_id: UUID, *, active: bool, now: datetime) -> None:
    """Switches a person off: sessions, API keys and calendar feed end at once and for good. Or on: they may sign in again.
    Raises ``user.not_found``, ``user.last_admin``, ``user.self``."""
    if user_id == actor.user_id:
        raise conflict("user.self", "You cannot switch yourself off. Ask another administrator.")
    no_wider(actor, (await queries.user(session, actor, user_id)).roles)
    await _keep_an_admin(session, actor, user_id, stays=active)
    await execute(session, "UPDATE user_account SET active = $2 WHERE id = $1", user_id, active)
    if not active:
        await _end_sessions(session, user_id, now)
        await execute(
            session, "UPDATE api_key SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", user_id, now
        )
        await end_feed(session, user_id, now)
    await note_by(session, actor, "person_on" if active else "person_off", now, user_id=user_id)


async def _keep_an_admin(session: WriteSession, actor: Actor, user_id: UUID, *, stays: bool) -> None:
    """Locks the company's active administrators and the person; refuses to lose the last administrator."""
    admins = await queries.admins_for_update(session, actor.company_id, user_id)
    if user_id not in admins:
        raise missing("user.not_found", "No such person in your company.")
    was = admins.pop(user_id)
    others = any(admins.values())
    if was and not stays and not others:
        raise conflict(
            "user.last_admin", "This is the last administrator. Make somebody else one first.", field="roles"
        )


async def _end_sessions(session: WriteSession, user_id: UUID, now: datetime) -> None:
    await execute(
        session, "UPDATE user_session SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", user_id, now
    )

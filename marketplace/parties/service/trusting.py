"""What a company lets others do: API keys for programs, delegations for other companies."""

from __future__ import annotations

import secrets
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from marketplace.db.session import (
    WriteSession,
    execute,
    fetch_one,
    fetch_value,
)
from marketplace.kit.errors import forbidden, invalid, missing
from marketplace.parties.actor import Actor, check_scopes
from marketplace.parties.service.security import note_by
from marketplace.parties.service.signing_in import token_hash


async def create_api_key(
    session: WriteSession,
    actor: Actor,
    *,
    name: str,
    scopes: frozenset[str],
    expires_at: datetime | None,
    now: datetime,
) -> tuple[UUID, str]:
    """A new key of the actor, and its secret, which is shown this once. A key makes none that may do more than itself.
    Raises ``apikey.scope``, ``apikey.wider``, ``apikey.expiry``, ``auth.recent``."""
    actor.require_recent(now)
    check_scopes(scopes)
    if wider := sorted(s for s in scopes if not actor.carries(s)):
        raise forbidden(
            "apikey.wider",
            f"This API key does not carry {', '.join(wider)} itself, so it cannot make a key that does. Sign in to make it, "
            "or leave that out.",
        )
    if expires_at is not None and expires_at <= now:
        raise invalid(
            "apikey.expiry", "This key would have ended already. Give a time to come, or none.", field="expires_at"
        )
    secret = "bs_" + secrets.token_urlsafe(32)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO api_key (company_id, user_id, name, prefix, key_hash, scopes, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        actor.company_id, actor.user_id, name, secret[:10], token_hash(secret), sorted(scopes), expires_at,
    )  # fmt: skip
    await note_by(session, actor, "key_made", now, detail=f"{name} ({secret[:10]}…): {', '.join(sorted(scopes))}")
    return made, secret


async def revoke_api_key(session: WriteSession, actor: Actor, key_id: UUID, now: datetime) -> None:
    """Ends a key at once. Raises ``apikey.not_found``."""
    ended = await fetch_one(
        session,
        "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND company_id = $3 AND revoked_at IS NULL RETURNING name, prefix, user_id",
        key_id, now, actor.company_id,
    )  # fmt: skip
    if ended is None:
        raise missing("apikey.not_found", "No such API key, or it was revoked already.")
    await note_by(
        session, actor, "key_revoked", now, user_id=ended["user_id"], detail=f"{ended['name']} ({ended['prefix']}…)"
    )


async def make_feed(session: WriteSession, actor: Actor, now: datetime) -> str:
    """A new address for the person's own calendar: the token in it, which is shown this once. The one before ends.
    Raises ``feed.person`` for an API key: a calendar sees what its person sees, which may be more than the key does."""
    if actor.scopes is not None:
        raise forbidden("feed.person", "Only a person who is signed in makes a calendar address of their own.")
    await end_feed(session, actor.user_id, now)
    token = secrets.token_urlsafe(32)
    await execute(
        session, "INSERT INTO calendar_feed (company_id, user_id, token_hash) VALUES ($1, $2, $3)",
        actor.company_id, actor.user_id, token_hash(token),
    )  # fmt: skip
    return token


async def end_feed(session: WriteSession, user_id: UUID, now: datetime) -> bool:
    """Ends a person's calendar feed at once. False when there was none."""
    ended = await execute(
        session, "UPDATE calendar_feed SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", user_id, now
    )
    return ended != "UPDATE 0"


async def delegate(
    session: WriteSession,
    actor: Actor,
    *,
    company_id: UUID,
    max_quantity: int,
    max_value: Decimal,
    now: datetime,
    valid_until: datetime | None = None,
) -> UUID:
    """Lets another company's technicians source the actor's parts, within limits per request. While it stands, they
    see the actor's sites and those of its counterparties (row level security has the rule)."""
    if not actor.is_manufacturer:
        raise invalid("delegation.maker", "Only a manufacturer can let others source its parts.")
    if valid_until is not None and valid_until <= now:
        raise invalid(
            "delegation.expiry", "This delegation would have ended already. Give a time to come, or none.",
            field="valid_until",
        )  # fmt: skip
    if company_id == actor.company_id:
        raise invalid("delegation.self", "Your own technicians need no delegation.", field="company_id")
    if max_quantity <= 0 or max_value <= 0:
        raise invalid("delegation.limits", "Both limits must be above zero.", field="max_quantity")
    if await fetch_value(session, "SELECT 1 FROM company WHERE id = $1", company_id) is None:
        raise missing("company.not_found", "No such company.")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO delegation (maker_id, company_id, max_quantity, max_value_amount, currency, valid_from, "
        "valid_until) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        actor.company_id, company_id, max_quantity, max_value, actor.currency, now, valid_until,
    )  # fmt: skip
    return made


async def revoke_delegation(session: WriteSession, delegation_id: UUID, now: datetime) -> None:
    """Ends a delegation at once, and with it the sight of the maker's sites. Raises ``delegation.not_found``."""
    tag = await execute(
        session, "UPDATE delegation SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", delegation_id, now
    )
    if tag != "UPDATE 1":
        raise missing("delegation.not_found", "No such delegation, or it has ended already.")

"""The verbs of the parties: sign in and out, make companies, sites, people, keys and delegations; and doing a
writing request once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from asyncpg import UniqueViolationError
from pwdlib import PasswordHash

from marketplace.db.session import (
    Database,
    Tenant,
    WriteSession,
    become,
    execute,
    fetch_one,
    fetch_value,
)
from marketplace.kit.canonical import digest, plain
from marketplace.kit.errors import busy, conflict, invalid, missing, unauthenticated
from marketplace.parties.actor import ROLES, Actor, check_scopes

_ATTEMPTS_PER_WINDOW = 10
_WINDOW = timedelta(minutes=15)
MINIMUM_PASSWORD = 10


@lru_cache(maxsize=1)
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@lru_cache(maxsize=1)
def _decoy_hash() -> str:
    # Verifying against it takes as long as against a real one, so timing does not tell which addresses exist.
    return _hasher().hash(secrets.token_urlsafe(16))


def token_hash(token: str) -> bytes:
    """What is kept of a session token or API key."""
    return hashlib.sha256(token.encode()).digest()


async def hash_password(password: str) -> str:
    """The Argon2 hash, made in a thread. Raises ``user.password`` when too short."""
    if len(password) < MINIMUM_PASSWORD or len(password) > 200:
        raise invalid("user.password", f"A password has {MINIMUM_PASSWORD} to 200 characters.", field="password")
    return await asyncio.to_thread(_hasher().hash, password)


async def sign_in(database: Database, email: str, password: str, *, source: str, hours: int, now: datetime) -> str:
    """A new session's token. Raises ``auth.login`` (the same for unknown address and wrong password) or
    ``auth.attempts`` after too many failures. Failures are counted in a transaction of their own, so that the
    refusal does not undo the count."""
    keys = [f"account:{email.strip().lower()[:200]}", f"source:{source[:64]}"]
    async with database.write() as session:
        for key in keys:
            count = await fetch_value(
                session,
                "SELECT count FROM attempt_bucket WHERE key = $1 AND window_start > $2",
                key,
                now - _WINDOW,
            )
            if (count or 0) >= _ATTEMPTS_PER_WINDOW * (1 if key.startswith("account:") else 10):
                raise busy(
                    "auth.attempts", "Too many failed attempts. Wait 15 minutes, or ask your admin for a new password."
                )
        row = await fetch_one(session, "SELECT * FROM auth_login($1)", email.strip())
    usable = row is not None and row["active"]
    good = await asyncio.to_thread(_verify, password, row["password_hash"] if row and usable else _decoy_hash())
    if row is None or not usable or not good:
        async with database.write() as session:
            for key in sorted(keys):
                await execute(
                    session,
                    "INSERT INTO attempt_bucket AS b (key, window_start, count) VALUES ($1, $2, 1) "
                    "ON CONFLICT (key) DO UPDATE SET "
                    "count = CASE WHEN b.window_start > $3 THEN b.count + 1 ELSE 1 END, "
                    "window_start = CASE WHEN b.window_start > $3 THEN b.window_start ELSE $2 END",
                    key,
                    now,
                    now - _WINDOW,
                )
        raise unauthenticated("auth.login", "E-mail address and password do not match. Check both and try again.")
    token = secrets.token_urlsafe(32)
    async with database.write(Tenant(row["company_id"])) as session:
        await execute(
            session,
            "INSERT INTO user_session (token_hash, user_id, company_id, expires_at) VALUES ($1, $2, $3, $4)",
            token_hash(token),
            row["user_id"],
            row["company_id"],
            now + timedelta(hours=hours),
        )
        await execute(session, "DELETE FROM attempt_bucket WHERE key = $1", keys[0])
    return token


def _verify(password: str, hashed: str) -> bool:
    try:
        return _hasher().verify(password[:200], hashed)
    except Exception:  # noqa: BLE001 - an unreadable hash is a failed login, whatever the library raises
        return False


async def sign_out(session: WriteSession, actor: Actor, now: datetime) -> None:
    """Ends the actor's session."""
    if actor.session_id:
        await execute(session, "UPDATE user_session SET revoked_at = $2 WHERE id = $1", actor.session_id, now)


# -- doing a request once --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a writing request answers: JSON-able content, its HTTP status, and whether it is a repeat."""

    content: Any
    status: int
    repeated: bool = False


async def once(
    session: WriteSession,
    actor: Actor,
    key: str | None,
    route: str,
    given: Mapping[str, Any],
    action: Callable[[], Awaitable[Any]],
    *,
    status: int = 201,
) -> Answer:
    """Runs ``action`` and keeps its answer under the idempotency key, in the same transaction.

    The same key with the same input answers what was answered first; with another input it is a conflict that
    names the first field that differs. Two requests with one key at once: the second waits for the first.
    """
    if not key:
        return Answer(plain_answer(await action()), status)
    if len(key) > 200:
        raise invalid("idempotency.key", "An idempotency key has at most 200 characters.", field="Idempotency-Key")
    fields = {name: digest(plain(value)).hex()[:16] for name, value in given.items()}
    inputs = digest({"route": route, "fields": fields})
    fresh = await fetch_value(
        session,
        "INSERT INTO idempotency_key (company_id, key, route, input_hash, fields) VALUES ($1, $2, $3, $4, $5::jsonb) "
        "ON CONFLICT (company_id, key) DO NOTHING RETURNING 1",
        actor.company_id,
        key,
        route,
        inputs,
        _json(fields),
    )
    if fresh is None:
        return await _repeat(session, actor, key, route, inputs, fields)
    answer = plain_answer(await action())
    await execute(
        session,
        "UPDATE idempotency_key SET status = $3, answer = $4::jsonb WHERE company_id = $1 AND key = $2",
        actor.company_id,
        key,
        status,
        _json({"content": answer}),
    )
    return Answer(answer, status)


async def once_done(
    session: WriteSession,
    actor: Actor,
    key: str | None,
    route: str,
    given: Mapping[str, Any],
    verb: Callable[[], Awaitable[Any]],
) -> dict[str, Any]:
    """``once`` for a step on something that is there already: answers what was done ('orders.ship'; the part of
    ``route`` before the colon) and, where the step made something, its id."""

    async def act() -> dict[str, Any]:
        made = await verb()
        return {"done": route.split(":", maxsplit=1)[0], **({"id": made} if isinstance(made, UUID) else {})}

    return dict((await once(session, actor, key, route, given, act, status=200)).content)


async def _repeat(
    session: WriteSession, actor: Actor, key: str, route: str, inputs: bytes, fields: dict[str, str]
) -> Answer:
    known = await fetch_one(
        session,
        "SELECT route, input_hash, fields, status, answer FROM idempotency_key WHERE company_id = $1 AND key = $2",
        actor.company_id,
        key,
    )
    if known is None:
        raise missing("idempotency.key", "No such request.")
    if known["input_hash"] != inputs:
        before = known["fields"]
        changed = next((f for f in fields if before.get(f) != fields[f]), None)
        name = changed or ("route" if known["route"] != route else "body")
        raise conflict(
            "idempotency.reused",
            f"This idempotency key was used for another request: '{name}' differs. Use a new key for a new request.",
            field=name,
        )
    return Answer(known["answer"]["content"], known["status"], repeated=True)


def plain_answer(value: Any) -> Any:
    """JSON-able content of a pydantic model, a dataclass-free dict, or a list of them."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [plain_answer(v) for v in value]
    return plain(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- companies, sites, people ----------------------------------------------------------------------------


async def create_company(
    session: WriteSession, *, code: str, name: str, manufacturer: bool, partner: bool, currency: str, country: str
) -> UUID:
    """A new company. Only the operator's command line does this: it works on behalf of the new company itself."""
    if not code.isascii() or not code.replace("-", "").isalnum() or not 2 <= len(code) <= 20:
        raise invalid("company.code", "A company code has 2 to 20 letters, digits and hyphens.", field="code")
    if not (manufacturer or partner):
        raise invalid("company.kind", "Say whether it is a manufacturer, a partner, or both.")
    company: UUID = await fetch_value(session, "SELECT uuidv7()")
    await become(session, Tenant(company))
    try:
        await execute(
            session,
            "INSERT INTO company (id, code, name, is_manufacturer, is_partner, currency, country) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            company, code.upper(), name, manufacturer, partner, currency, country,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict(
            "company.code", f"There is a company with the code {code.upper()} already.", field="code"
        ) from None
    return company


async def create_site(
    session: WriteSession,
    actor: Actor,
    *,
    code: str,
    name: str,
    place: str,
    region: str,
    country: str,
    timezone: str,
    address: str = "",
    lat: float | None = None,
    lon: float | None = None,
    opens: time | None = None,
    closes: time | None = None,
    counter_phone: str = "",
    after_hours_phone: str = "",
    will_call: bool = False,
) -> UUID:
    """A new site of the actor's company. Raises ``site.code`` when the code is taken, ``site.timezone``."""
    if timezone not in available_timezones():
        raise invalid(
            "site.timezone", f"'{timezone}' is not a time zone. Write it like America/Chicago.", field="timezone"
        )
    ZoneInfo(timezone)
    if (
        (lat is None) != (lon is None)
        or (lat is not None and not -90 <= lat <= 90)
        or (lon is not None and not -180 <= lon <= 180)
    ):
        raise invalid(
            "site.coordinates", "Give latitude (-90 to 90) and longitude (-180 to 180) together.", field="lat"
        )
    try:
        made: UUID = await fetch_value(
            session,
            "INSERT INTO site (company_id, code, name, place, region, country, timezone, address, lat, lon, opens, "
            "closes, counter_phone, after_hours_phone, will_call) "
            "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15) RETURNING id",
            actor.company_id, code, name, place, region, country, timezone, address, lat, lon, opens, closes,
            counter_phone, after_hours_phone, will_call,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict("site.code", f"Your company has a site with the code {code} already.", field="code") from None
    return made


async def create_user(
    session: WriteSession,
    *,
    company_id: UUID,
    email: str,
    name: str,
    password: str,
    roles: Sequence[str],
    site_id: UUID | None = None,
    order_limit: Decimal | None = None,
) -> UUID:
    """A new person. Raises ``user.email``, ``user.roles``, ``user.password``."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise invalid(
            "user.roles", f"Unknown role {', '.join(unknown) or '(none)'}. Roles: {', '.join(ROLES)}.", field="roles"
        )
    if "@" not in email or len(email) > 200 or any(c.isspace() for c in email.strip()):
        raise invalid("user.email", f"'{email[:60]}' is not an e-mail address.", field="email")
    hashed = await hash_password(password)
    try:
        made: UUID = await fetch_value(
            session,
            "INSERT INTO user_account (company_id, email, name, password_hash, roles, site_id, order_limit_amount) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            company_id, email.strip(), name, hashed, sorted(set(roles)), site_id, order_limit,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict("user.email", "This e-mail address is in use already.", field="email") from None
    return made


async def create_api_key(
    session: WriteSession, actor: Actor, *, name: str, scopes: frozenset[str], expires_at: datetime | None
) -> tuple[UUID, str]:
    """A new key of the actor, and its secret, which is shown this once."""
    check_scopes(scopes)
    secret = "bs_" + secrets.token_urlsafe(32)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO api_key (company_id, user_id, name, prefix, key_hash, scopes, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        actor.company_id, actor.user_id, name, secret[:10], token_hash(secret), sorted(scopes), expires_at,
    )  # fmt: skip
    return made, secret


async def revoke_api_key(session: WriteSession, key_id: UUID, now: datetime) -> None:
    """Ends a key at once. Raises ``apikey.not_found``."""
    if (
        await execute(session, "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", key_id, now)
        != "UPDATE 1"
    ):
        raise missing("apikey.not_found", "No such API key, or it was revoked already.")


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
    """Lets another company's technicians source the actor's parts, within limits per request."""
    if not actor.is_manufacturer:
        raise invalid("delegation.maker", "Only a manufacturer can let others source its parts.")
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
    await know_each_other(session, actor.company_id, company_id)
    return made


async def revoke_delegation(session: WriteSession, delegation_id: UUID, now: datetime) -> None:
    """Ends a delegation at once. Raises ``delegation.not_found``."""
    tag = await execute(
        session, "UPDATE delegation SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", delegation_id, now
    )
    if tag != "UPDATE 1":
        raise missing("delegation.not_found", "No such delegation, or it has ended already.")


async def know_each_other(session: WriteSession, one: UUID, other: UUID) -> None:
    """Makes two companies counterparties: each may from now on see the other's sites."""
    await execute(
        session,
        "INSERT INTO counterparty (company_id, other_id) VALUES ($1, $2), ($2, $1) ON CONFLICT DO NOTHING",
        one,
        other,
    )

"""Passwords, sessions, and how often one may fail."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from pwdlib import PasswordHash

from marketplace.db.session import (
    Database,
    Tenant,
    WriteSession,
    execute,
    fetch_one,
    fetch_value,
)
from marketplace.kit.errors import invalid, limited, unauthenticated
from marketplace.parties.actor import Actor
from marketplace.parties.passwords import MAXIMUM, normalised, objection, own_words
from marketplace.parties.service.security import Source, note, note_by

_ATTEMPTS_PER_WINDOW = 10
_ATTEMPTS_IN_ALL = 100
_WINDOW = timedelta(minutes=15)
_COUNT_ATTEMPT = """
INSERT INTO attempt_bucket AS b (key, window_start, count) VALUES ($1, $2, 1)
ON CONFLICT (key) DO UPDATE SET count = CASE WHEN b.window_start > $3 THEN b.count + 1 ELSE 1 END,
    window_start = CASE WHEN b.window_start > $3 THEN b.window_start ELSE $2 END
RETURNING count
"""


@lru_cache(maxsize=1)
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@lru_cache(maxsize=1)
def _decoy_hash() -> str:
    # Verifying against it takes as long as against a real one, so timing does not tell which addresses exist.
    return _hasher().hash(secrets.token_urlsafe(16))


def token_hash(token: str) -> bytes:
    """What is kept of a session token, an API key or a recovery code."""
    return hashlib.sha256(token.encode()).digest()


async def hash_password(password: str) -> str:
    """The Argon2 hash, made in a thread."""
    return await asyncio.to_thread(_hasher().hash, normalised(password))


async def new_password(password: str, *known: str) -> str:
    """The hash of a password that somebody chooses. Raises ``user.password`` saying why it cannot be one. ``known``: names and
    addresses of the person and the company."""
    if words := objection(password, own_words(*known)):
        raise invalid("user.password", words, field="password")
    return await hash_password(password)


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whose password was right. ``factor``: they also need a code of their second factor."""

    user_id: UUID
    company_id: UUID
    factor: bool


async def count_attempt(database: Database, limits: Mapping[str, int], now: datetime) -> None:
    """Counts one more attempt under each key, in a transaction of its own. Raises ``auth.attempts`` beyond a limit."""
    async with database.write() as session:
        for key, most in sorted(limits.items()):
            if await fetch_value(session, _COUNT_ATTEMPT, key, now, now - _WINDOW) > most:
                raise limited(
                    "auth.attempts",
                    "Too many failed attempts. Wait 15 minutes, or set a new password with 'Forgot your password?'.",
                    retry_after=int(_WINDOW.total_seconds()),
                )


async def take_back(session: WriteSession, limits: Mapping[str, int]) -> None:
    """Takes a successful attempt off again; of the narrowest limits all that failed before it."""
    for key in sorted(limits):
        await execute(
            session, "UPDATE attempt_bucket SET count = CASE WHEN $2 THEN 0 ELSE greatest(count - 1, 0) END WHERE key = $1",
            key, limits[key] == _ATTEMPTS_PER_WINDOW,
        )  # fmt: skip


async def check_password(database: Database, email: str, password: str, *, source: Source, now: datetime) -> Known:
    """Whose address and password these are. Raises ``auth.login`` (the same for unknown address and wrong password) or
    ``auth.attempts`` after too many failures: of one account from one place, of one account from anywhere, from one place.

    An attempt counts before its password is looked at, in a transaction of its own: many at once are no more than many
    after each other. What succeeds is taken off again. From another place an account stays open to its owner for longer.
    """
    account, place = email.strip().lower()[:200], source.place[:64]
    limits = {
        f"account:{account} source:{place}": _ATTEMPTS_PER_WINDOW,
        f"account:{account}": _ATTEMPTS_IN_ALL,
        f"source:{place}": _ATTEMPTS_IN_ALL,
    }
    await count_attempt(database, limits, now)
    async with database.read() as session:
        row = await fetch_one(session, "SELECT * FROM auth_login($1)", email.strip())
    usable = row is not None and row["active"]
    good = await asyncio.to_thread(verify, password, row["password_hash"] if row and usable else _decoy_hash())
    if row is None or not usable or not good:
        if row is not None:
            async with database.write(Tenant(row["company_id"])) as session:
                await note(
                    session, "sign_in_failed", now, company_id=row["company_id"], user_id=row["user_id"], source=source
                )
        raise unauthenticated("auth.login", "E-mail address and password do not match. Check both and try again.")
    async with database.write(Tenant(row["company_id"])) as session:
        await take_back(session, limits)
    return Known(row["user_id"], row["company_id"], row["factor"])


async def open_session(
    session: WriteSession, known: Known, *, source: Source, hours: int, now: datetime, how: str = ""
) -> str:
    """A new session's token, for somebody who has proved who they are. ``how``: what is said of it beside the act."""
    token = secrets.token_urlsafe(32)
    await execute(
        session,
        "INSERT INTO user_session (token_hash, user_id, company_id, expires_at, device, place, verified_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        token_hash(token), known.user_id, known.company_id, now + timedelta(hours=hours), source.device[:80], source.place[:64], now,
    )  # fmt: skip
    await note(
        session, "signed_in", now, company_id=known.company_id, user_id=known.user_id, by=known.user_id, detail=how,
        source=source,
    )  # fmt: skip
    return token


async def sign_in(
    database: Database, email: str, password: str, *, source: Source | str, hours: int, now: datetime
) -> str:
    """A new session's token of somebody without a second factor. Raises as ``check_password``, and ``auth.second_factor``."""
    where = Source(source) if isinstance(source, str) else source
    known = await check_password(database, email, password, source=where, now=now)
    if known.factor:
        raise unauthenticated("auth.second_factor", "This account has a second factor. Sign in on the page.")
    async with database.write(Tenant(known.company_id)) as session:
        return await open_session(session, known, source=where, hours=hours, now=now)


def verify(password: str, hashed: str) -> bool:
    """Whether it is the password that was hashed."""
    try:
        return _hasher().verify(normalised(password)[:MAXIMUM], hashed)
    except Exception:  # noqa: BLE001 - an unreadable hash is a failed login, whatever the library raises
        return False


async def sign_out(session: WriteSession, actor: Actor, now: datetime) -> None:
    """Ends the actor's session."""
    if actor.session_id:
        await execute(session, "UPDATE user_session SET revoked_at = $2 WHERE id = $1", actor.session_id, now)
        await note_by(session, actor, "signed_out", now)


async def forget_old(session: WriteSession, now: datetime) -> int:
    """Deletes failed attempts of more than a day ago, which limit nobody any more, and sessions that ended more than
    30 days ago. Returns how many rows went."""
    gone = await fetch_value(
        session,
        "WITH a AS (DELETE FROM attempt_bucket WHERE window_start < $1 RETURNING 1), "
        "s AS (DELETE FROM user_session WHERE least(expires_at, revoked_at) < $2 RETURNING 1) "
        "SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM s)",
        now - timedelta(days=1), now - timedelta(days=30),
    )  # fmt: skip
    return int(gone or 0)

"""Passwords, sessions, and how often one may fail."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from datetime import datetime, timedelta
from functools import lru_cache

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

_ATTEMPTS_PER_WINDOW = 10
_ATTEMPTS_IN_ALL = 100
_WINDOW = timedelta(minutes=15)
MINIMUM_PASSWORD = 10
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
    """What is kept of a session token or API key."""
    return hashlib.sha256(token.encode()).digest()


async def hash_password(password: str) -> str:
    """The Argon2 hash, made in a thread. Raises ``user.password`` when too short."""
    if len(password) < MINIMUM_PASSWORD or len(password) > 200:
        raise invalid("user.password", f"A password has {MINIMUM_PASSWORD} to 200 characters.", field="password")
    return await asyncio.to_thread(_hasher().hash, password)


async def sign_in(database: Database, email: str, password: str, *, source: str, hours: int, now: datetime) -> str:
    """A new session's token. Raises ``auth.login`` (the same for unknown address and wrong password) or
    ``auth.attempts`` after too many failures: of one account from one place, of one account from anywhere, from one place.

    An attempt counts before its password is looked at, in a transaction of its own: many at once are no more than many
    after each other. What succeeds is taken off again. From another place an account stays open to its owner for longer.
    """
    account, place = email.strip().lower()[:200], source[:64]
    limits = {
        f"account:{account} source:{place}": _ATTEMPTS_PER_WINDOW,
        f"account:{account}": _ATTEMPTS_IN_ALL,
        f"source:{place}": _ATTEMPTS_IN_ALL,
    }
    async with database.write() as session:
        for key, most in sorted(limits.items()):
            if await fetch_value(session, _COUNT_ATTEMPT, key, now, now - _WINDOW) > most:
                raise limited(
                    "auth.attempts",
                    "Too many failed attempts. Wait 15 minutes, or ask your admin for a new password.",
                    retry_after=int(_WINDOW.total_seconds()),
                )
        row = await fetch_one(session, "SELECT * FROM auth_login($1)", email.strip())
    usable = row is not None and row["active"]
    good = await asyncio.to_thread(_verify, password, row["password_hash"] if row and usable else _decoy_hash())
    if row is None or not usable or not good:
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
        for key in sorted(limits):
            await execute(
                session, "UPDATE attempt_bucket SET count = CASE WHEN $2 THEN 0 ELSE greatest(count - 1, 0) END WHERE key = $1",
                key, limits[key] == _ATTEMPTS_PER_WINDOW,
            )  # fmt: skip
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

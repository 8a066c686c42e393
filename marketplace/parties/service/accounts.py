"""A person's own account: proving once more who they are, password, address, sessions, second factor; and links that are mailed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from asyncpg import UniqueViolationError

from marketplace.db.session import Database, Tenant, WriteSession, execute, fetch, fetch_value
from marketplace.jobs.service import enqueue
from marketplace.kit.emails import check_email
from marketplace.kit.errors import DomainError, conflict, gone, invalid, missing, unauthenticated
from marketplace.outbox.service import emit
from marketplace.parties import second_factor as codes
from marketplace.parties.actor import Actor
from marketplace.parties.acts import ADDRESS_FOR, RESET_FOR
from marketplace.parties.queries import accounts as queries
from marketplace.parties.service.security import Source, note, note_by
from marketplace.parties.service.signing_in import (
    Known,
    count_attempt,
    new_password,
    open_session,
    take_back,
    token_hash,
    verify,
)

ASK_RESET = "parties.reset"
"""The job that looks whose address it is: a request for a new password does the same whether there is somebody or not."""
_CODES_PER_WINDOW = 10
_RESETS_PER_WINDOW = 5
_RESETS_FROM_ONE_PLACE = 50


# -- proving who one is ----------------------------------------------------------------------------------


async def check_code(
    database: Database, known: Known, typed: str, *, secret: str, source: Source, now: datetime, hours: int | None
) -> str:
    """Takes a code of the second factor, or a recovery code, once. Answers a new session's token (``hours`` None: an empty text, no
    session). Raises ``auth.code``, ``auth.attempts``: an attempt counts before its code is looked at."""
    limits = {f"code:{known.user_id}": _CODES_PER_WINDOW}
    await count_attempt(database, limits, now)
    async with database.write(Tenant(known.company_id)) as session:
        how = await _take(session, known.user_id, typed, secret, now)
        if how is None:
            await note(session, "code_failed", now, company_id=known.company_id, user_id=known.user_id, source=source)
        else:
            await take_back(session, limits)
            if how == "recovery":
                left = await queries_left(session, known.user_id)
                await note(
                    session, "recovery_code_used", now, company_id=known.company_id, user_id=known.user_id, by=known.user_id,
                    detail=f"{left} of {codes.RECOVERY_CODES} are left.", source=source,
                )  # fmt: skip
            if hours is not None:
                return await open_session(
                    session, known, source=source, hours=hours, now=now, how="With a second factor."
                )
            return ""
    # After the block, so that what was noted stays.
    raise unauthenticated(
        "auth.code",
        "This code does not fit, or it was used already. Wait for the next one in your app; check that the telephone's clock is right. A "
        "recovery code works as well, each once.",
    )


async def queries_left(session: WriteSession, user_id: UUID) -> int:
    """How many recovery codes a person has left."""
    found: int = await fetch_value(
        session, "SELECT count(*) FROM recovery_code WHERE user_id = $1 AND used_at IS NULL", user_id
    )
    return found


async def _take(session: WriteSession, user_id: UUID, typed: str, secret: str, now: datetime) -> str | None:
    factor = await queries.factor_for_update(session, user_id)
    if factor is None or factor.confirmed_at is None:
        return None
    if (code := codes.recovery_code(typed)) is not None:
        used = await execute(
            session, "UPDATE recovery_code SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
            user_id, token_hash(code), now,
        )  # fmt: skip
        return "recovery" if used == "UPDATE 1" else None
    key = codes.opened(factor.sealed, secret, user_id.bytes)
    step = None if key is None else codes.matching_step(key, typed, now, factor.last_step)
    if step is None:
        return None
    await execute(session, "UPDATE second_factor SET last_step = $2 WHERE user_id = $1", user_id, step)
    return "code"


async def prove(
    database: Database, actor: Actor, password: str, code: str, *, secret: str, source: Source, now: datetime
) -> None:
    """The signed-in person says once more who they are: password, and the code where there is a second factor. Raises ``auth.login``,
    ``auth.code``, ``auth.attempts``."""
    actor.require_person()
    limits = {f"prove:{actor.user_id}": _CODES_PER_WINDOW}
    await count_attempt(database, limits, now)
    async with database.read(Tenant(actor.company_id)) as session:
        kept = await queries.password_hash(session, actor.user_id)
        own = await queries.account(session, actor)
    if not await asyncio.to_thread(verify, password, kept):
        async with database.write(Tenant(actor.company_id)) as session:
            await note(
                session, "sign_in_failed", now, company_id=actor.company_id, user_id=actor.user_id, source=source
            )
        raise unauthenticated("auth.login", "This is not your password. Check it and try again.")
    if own.factor_since is not None:
        known = Known(actor.user_id, actor.company_id, factor=True)
        await check_code(database, known, code, secret=secret, source=source, now=now, hours=None)
    async with database.write(Tenant(actor.company_id)) as session:
        await take_back(session, limits)
        await execute(session, "UPDATE user_session SET verified_at = $2 WHERE id = $1", actor.session_id, now)


# -- password and address --------------------------------------------------------------------------------


async def change_password(session: WriteSession, actor: Actor, password: str, now: datetime) -> None:
    """A new password of one's own; all other sessions end. Raises ``user.password``, ``auth.recent``, ``account.person``."""
    actor.require_person()
    actor.require_recent(now)
    hashed = await new_password(password, *await queries.known_words(session, actor.user_id))
    await execute(session, "UPDATE user_account SET password_hash = $2 WHERE id = $1", actor.user_id, hashed)
    await _end_sessions(session, actor.user_id, now, but=actor.session_id)
    await _withdraw_links(session, actor.user_id, "reset", now)
    await note_by(session, actor, "password_changed", now)


async def ask_address(session: WriteSession, actor: Actor, email: str, now: datetime) -> None:
    """Mails a link to an address: one's own to confirm it, or another, by which the person signs in once the link was used. Whether
    somebody else signs in by it is not told. Raises ``user.email``, ``auth.recent``, ``account.person``."""
    actor.require_person()
    actor.require_recent(now)
    address = check_email(email, "user.email")
    await _withdraw_links(session, actor.user_id, "address", now)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO mail_link (company_id, user_id, kind, email, made_at, expires_at) VALUES ($1, $2, 'address', $3, $4, $5) RETURNING id",
        actor.company_id, actor.user_id, address, now, now + ADDRESS_FOR,
    )  # fmt: skip
    mail = {
        "to": [address],
        "subject": "Confirm your e-mail address",
        "text": f"{actor.user_name} of {actor.company_name} signs in to Backstock by this address once it is confirmed. The link works once, "
        "for a day. If this was not you, do nothing: nothing changes then.",
        "link": f"/confirm-address/{made}.{actor.company_id}",
    }
    await emit(session, "account.address", "mail_link", made, [actor.company_id], {"mail": mail, "signed": True})
    await note_by(session, actor, "address_asked", now, detail=address)


async def confirm_address(database: Database, link: tuple[UUID, UUID], *, source: Source, now: datetime) -> str:
    """The link was used: the address is the person's. Answers it. Raises ``link.used``, ``link.lapsed``, ``user.email``."""
    link_id, company_id = link
    async with database.write(Tenant(company_id)) as session:
        found = _usable(await queries.link_for_update(session, link_id, company_id, "address"), now, _ADDRESS_AGAIN)
        before = await fetch_value(session, "SELECT email FROM user_account WHERE id = $1", found.user_id)
        try:
            await execute(
                session, "UPDATE user_account SET email = $2, email_confirmed_at = $3 WHERE id = $1",
                found.user_id, found.email, now,
            )  # fmt: skip
        except UniqueViolationError:
            raise conflict("user.email", "Somebody signs in by this address already.", field="email") from None
        await execute(session, "UPDATE mail_link SET used_at = $2 WHERE id = $1", link_id, now)
        same = before.lower() == found.email.lower()
        act = "address_confirmed" if same else "address_changed"
        detail = found.email if same else f"From {before} to {found.email}."
        await note(
            session,
            act,
            now,
            company_id=company_id,
            user_id=found.user_id,
            by=found.user_id,
            detail=detail,
            source=source,
        )
        if not same:
            # Also to the address of before: whoever lost it learns of it.
            mail = {
                "to": [before], "subject": "Your account: the e-mail address was changed",
                "text": f"You now sign in by {found.email}. If this was not you, tell an administrator of your company at once.",
                "link": "/account",
            }  # fmt: skip
            await emit(session, "account.security", "mail_link", link_id, [company_id], {"mail": mail})
    return found.email


_RESET_AGAIN = "Ask for a new one with 'Forgot your password?' on the sign-in page."
_ADDRESS_AGAIN = "Sign in and ask for a new one under Your account."


def _usable(found: queries.LinkRow | None, now: datetime, again: str) -> queries.LinkRow:
    if found is None or not found.active:
        raise missing("link.unknown", "This link is not known. Open it from the mail again, or copy all of it.")
    if found.used_at is not None:
        raise gone(
            "link.used",
            f"This link was used already, on {found.used_at:%Y-%m-%d} at {found.used_at:%H:%M} UTC. If that was you, sign in. If not: {again}",
        )
    if found.withdrawn_at is not None:
        raise gone(
            "link.withdrawn", f"This link no longer counts: a newer one was sent, or the matter is settled. {again}"
        )
    if found.expires_at <= now:
        raise gone(
            "link.lapsed", f"This link lapsed on {found.expires_at:%Y-%m-%d} at {found.expires_at:%H:%M} UTC. {again}"
        )
    return found


async def ask_reset(database: Database, email: str, *, source: Source, now: datetime) -> None:
    """Asks for a link to a new password. Answers the same, and as fast, whether anybody signs in by the address or not: who it is, the
    worker looks up. Too many for one address are dropped without a word; too many from one place raise ``auth.attempts``."""
    address = email.strip()[:200]
    await count_attempt(database, {f"reset source:{source.place[:64]}": _RESETS_FROM_ONE_PLACE}, now)
    try:
        await count_attempt(database, {f"reset:{address.lower()}": _RESETS_PER_WINDOW}, now)
    except DomainError:
        return
    async with database.write() as session:
        await enqueue(
            session, ASK_RESET,
            {"id": str(uuid4()), "email": address, "place": source.place[:64], "device": source.device[:80], "at": now.isoformat()},
        )  # fmt: skip


async def send_reset(session: WriteSession, link_id: UUID, email: str, *, source: Source, now: datetime) -> bool:
    """Mails the link, if anybody signs in by the address (worker); once however often it is asked for ``link_id``."""
    whose = await queries.whose_address(session, email)
    if whose is None:
        return False
    user_id, company_id, address = whose
    made = await fetch_value(
        session,
        "INSERT INTO mail_link (id, company_id, user_id, kind, email, made_at, expires_at) VALUES ($1, $2, $3, 'reset', $4, $5, $6) "
        "ON CONFLICT DO NOTHING RETURNING id",
        link_id, company_id, user_id, address, now, now + RESET_FOR,
    )  # fmt: skip
    if made is None:
        return False
    await _withdraw_links(session, user_id, "reset", now, but=link_id)
    mail = {
        "to": [address],
        "subject": "Set a new password",
        "text": "Somebody, probably you, asked for a new password. The link works once, for an hour; setting a new password ends every "
        "session of yours. If it was not you, do nothing: your password stays.",
        "link": f"/reset-password/{made}.{company_id}",
    }
    await emit(session, "account.reset", "mail_link", made, [company_id], {"mail": mail, "signed": True})
    await note(session, "reset_asked", now, company_id=company_id, user_id=user_id, source=source)
    return True


async def look_at_link(database: Database, link: tuple[UUID, UUID], kind: str, now: datetime) -> str:
    """The address that a link was mailed to, for the page that asks before it is used. Raises ``link.used`` and the like."""
    again = _RESET_AGAIN if kind == "reset" else _ADDRESS_AGAIN
    async with database.read(Tenant(link[1])) as session:
        return _usable(await queries.link(session, *link, kind), now, again).email


async def reset_password(
    database: Database, link: tuple[UUID, UUID], password: str, *, source: Source, now: datetime
) -> None:
    """Sets a new password by a mailed link, once; every session of the person ends. The second factor stays. Raises ``link.used``,
    ``link.lapsed``, ``user.password``."""
    link_id, company_id = link
    async with database.write(Tenant(company_id)) as session:
        found = _usable(await queries.link_for_update(session, link_id, company_id, "reset"), now, _RESET_AGAIN)
        hashed = await new_password(password, *await queries.known_words(session, found.user_id))
        # Whoever opened the mail has the address.
        await execute(
            session,
            "UPDATE user_account SET password_hash = $2, email_confirmed_at = CASE WHEN lower(email) = lower($3) "
            "THEN coalesce(email_confirmed_at, $4) ELSE email_confirmed_at END WHERE id = $1",
            found.user_id, hashed, found.email, now,
        )  # fmt: skip
        await execute(session, "UPDATE mail_link SET used_at = $2 WHERE id = $1", link_id, now)
        await _withdraw_links(session, found.user_id, "reset", now)
        await _end_sessions(session, found.user_id, now)
        await note(
            session,
            "password_reset",
            now,
            company_id=company_id,
            user_id=found.user_id,
            by=found.user_id,
            source=source,
        )


async def _withdraw_links(
    session: WriteSession, user_id: UUID, kind: str, now: datetime, *, but: UUID | None = None
) -> None:
    await execute(
        session,
        "UPDATE mail_link SET withdrawn_at = $3 WHERE user_id = $1 AND kind = $2 AND used_at IS NULL AND withdrawn_at IS NULL "
        "AND id IS DISTINCT FROM $4",
        user_id, kind, now, but,
    )  # fmt: skip


# -- sessions --------------------------------------------------------------------------------------------


async def _end_sessions(session: WriteSession, user_id: UUID, now: datetime, *, but: UUID | None = None) -> int:
    rows = await fetch(
        session,
        "UPDATE user_session SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 "
        "AND id IS DISTINCT FROM $3 RETURNING 1",
        user_id, now, but,
    )  # fmt: skip
    return len(rows)


async def end_session(session: WriteSession, actor: Actor, session_id: UUID, now: datetime) -> None:
    """Ends one of one's own sessions. Raises ``session.not_found``, ``account.person``."""
    actor.require_person()
    rows = await fetch(
        session,
        "UPDATE user_session SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING device, place",
        session_id, actor.user_id, now,
    )  # fmt: skip
    if not rows:
        raise missing("session.not_found", "No such session of yours, or it has ended already.")
    await note_by(session, actor, "session_ended", now, detail=f"{rows[0]['device']}, {rows[0]['place']}".strip(", "))


async def end_other_sessions(session: WriteSession, actor: Actor, now: datetime) -> int:
    """Ends all of one's sessions but this one. Returns how many there were."""
    actor.require_person()
    ended = await _end_sessions(session, actor.user_id, now, but=actor.session_id)
    await note_by(session, actor, "sessions_ended", now, detail=f"{ended} ended.")
    return ended


# -- the second factor -----------------------------------------------------------------------------------


class Begun(NamedTuple):
    """A second factor that is being set up: what the app reads, and the same for typing in."""

    address: str
    spelled: str


async def begin_factor(session: WriteSession, actor: Actor, *, secret: str, now: datetime) -> Begun:
    """Makes a secret, or shows the one that waits to be confirmed: until then, and never again. Raises ``factor.set``,
    ``auth.recent``, ``account.person``."""
    actor.require_person()
    actor.require_recent(now)
    own = await queries.account(session, actor)
    factor = await queries.factor_for_update(session, actor.user_id)
    if factor is not None and factor.confirmed_at is not None:
        raise conflict("factor.set", "You have a second factor. Remove it first to set up another.")
    key = codes.opened(factor.sealed, secret, actor.user_id.bytes) if factor else None
    if key is None:
        key = secrets.token_bytes(codes.SECRET_BYTES)
        kept = codes.sealed(key, secret, actor.user_id.bytes, secrets.token_bytes(codes.NONCE_BYTES))
        await execute(
            session,
            "INSERT INTO second_factor (user_id, company_id, sealed, begun_at) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, begun_at = excluded.begun_at WHERE second_factor.confirmed_at IS NULL",
            actor.user_id, actor.company_id, kept, now,
        )  # fmt: skip
    return Begun(codes.address(key, own.email), codes.spelled(key))


async def confirm_factor(
    session: WriteSession, actor: Actor, typed: str, *, secret: str, now: datetime
) -> Sequence[str]:
    """The app shows the right code, so the second factor counts from now on; other sessions end. Answers the recovery codes, which are
    shown this once. Raises ``factor.code``, ``factor.none``, ``factor.set``."""
    actor.require_person()
    actor.require_recent(now)
    factor = await queries.factor_for_update(session, actor.user_id)
    if factor is None:
        raise conflict("factor.none", "Begin to set up the second factor first.")
    if factor.confirmed_at is not None:
        raise conflict("factor.set", "You have a second factor already.")
    key = codes.opened(factor.sealed, secret, actor.user_id.bytes)
    step = None if key is None else codes.matching_step(key, typed, now, None)
    if step is None:
        raise invalid(
            "factor.code", "This code does not fit. Type the six figures that the app shows now; check that the telephone's clock is right.",
            field="code",
        )  # fmt: skip
    await execute(
        session,
        "UPDATE second_factor SET confirmed_at = $2, last_step = $3 WHERE user_id = $1",
        actor.user_id,
        now,
        step,
    )
    await _end_sessions(session, actor.user_id, now, but=actor.session_id)
    await note_by(session, actor, "factor_set", now)
    return await _make_codes(session, actor, now)


async def _make_codes(session: WriteSession, actor: Actor, now: datetime) -> Sequence[str]:
    made = [
        "".join(secrets.choice(codes.RECOVERY_LETTERS) for _ in range(codes.RECOVERY_LENGTH))
        for _ in range(codes.RECOVERY_CODES)
    ]
    await execute(session, "DELETE FROM recovery_code WHERE user_id = $1", actor.user_id)
    await execute(
        session,
        "INSERT INTO recovery_code (company_id, user_id, code_hash, made_at) SELECT $1, $2, h, $4 FROM unnest($3::bytea[]) AS h",
        actor.company_id, actor.user_id, [token_hash(code) for code in made], now,
    )  # fmt: skip
    return [codes.grouped(code) for code in made]


async def new_codes(session: WriteSession, actor: Actor, now: datetime) -> Sequence[str]:
    """New recovery codes in place of those of before, shown this once. Raises ``factor.none``, ``auth.recent``."""
    await _require_factor(session, actor, now)
    made = await _make_codes(session, actor, now)
    await note_by(session, actor, "codes_made", now)
    return made


async def remove_factor(session: WriteSession, actor: Actor, now: datetime) -> None:
    """Removes one's own second factor. Raises ``factor.none``, ``factor.required`` where the company asks for one, ``auth.recent``."""
    await _require_factor(session, actor, now)
    if await queries.factor_required(session, actor.company_id):
        raise conflict(
            "factor.required", "Your company asks everybody for a second factor, so yours cannot be removed."
        )
    await _forget_factor(session, actor.user_id)
    await note_by(session, actor, "factor_removed", now)


async def _require_factor(session: WriteSession, actor: Actor, now: datetime) -> None:
    actor.require_person()
    actor.require_recent(now)
    factor = await queries.factor_for_update(session, actor.user_id)
    if factor is None or factor.confirmed_at is None:
        raise conflict("factor.none", "You have no second factor. Set one up first.")


async def _forget_factor(session: WriteSession, user_id: UUID) -> None:
    await execute(session, "DELETE FROM recovery_code WHERE user_id = $1", user_id)
    await execute(session, "DELETE FROM second_factor WHERE user_id = $1", user_id)


async def reset_factor(session: WriteSession, actor: Actor, user_id: UUID, now: datetime) -> None:
    """An administrator removes the second factor of somebody who has lost it; their sessions end, and they are told. Raises
    ``user.not_found``, ``factor.none``, ``user.self``, ``auth.recent``, ``account.person``."""
    actor.require_person()
    actor.require_recent(now)
    if user_id == actor.user_id:
        raise conflict("user.self", "Your own second factor you remove under Your account.")
    found = await queries.account(session, actor, user_id)
    if found.factor_since is None:
        raise conflict("factor.none", f"{found.name} has no second factor.")
    await queries.factor_for_update(session, user_id)
    await _forget_factor(session, user_id)
    await _end_sessions(session, user_id, now)
    await note_by(session, actor, "factor_reset", now, user_id=user_id)


async def require_factor(session: WriteSession, actor: Actor, *, required: bool, now: datetime) -> None:
    """Whether everybody of the company needs a second factor from their next click on. Raises ``factor.own_first``: who asks it of
    others has one. ``auth.recent``, ``account.person``."""
    actor.require_person()
    actor.require_recent(now)
    if required and (await queries.account(session, actor)).factor_since is None:
        raise conflict(
            "factor.own_first", "Set up a second factor of your own first, under Your account.", field="second_factor"
        )
    await execute(
        session,
        "INSERT INTO security_rule (company_id, second_factor, changed_by, changed_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (company_id) DO UPDATE SET second_factor = excluded.second_factor, changed_by = excluded.changed_by, "
        "changed_at = excluded.changed_at",
        actor.company_id, required, actor.user_id, now,
    )  # fmt: skip
    await note_by(session, actor, "factor_required" if required else "factor_optional", now)

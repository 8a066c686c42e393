"""Documents are added to things and withdrawn, each in one transaction; nothing of a refused file is kept."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.attachments import queries
from marketplace.attachments.pictures import Picture, looked_through
from marketplace.attachments.rules import (
    ADD_VERBS,
    AUDIENCE_WORDS,
    KIND_WORDS,
    PICTURES,
    READ_VERBS,
    Thing,
    checked_note,
    may_add,
    safe_name,
    sniff,
)
from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.errors import conflict, invalid
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor

_KEEP: Final = """
INSERT INTO document_content (company_id, sha256, size, content, small) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING size
"""
_COUNT: Final = """
INSERT INTO document_usage AS u (company_id, bytes) VALUES ($1, $2)
ON CONFLICT (company_id) DO UPDATE SET bytes = u.bytes + $2 RETURNING bytes
"""


@dataclass(frozen=True, slots=True)
class Given:
    """A file as it was sent, and what was said of it."""

    name: str
    content: bytes
    kind: str
    audience: str = "same"
    note: str = ""


def digest_of(content: bytes) -> str:
    """By which a file that is sent again is known."""
    return hashlib.sha256(content).hexdigest()


async def add(session: WriteSession, actor: Actor, thing: Thing, given: Given, now: datetime, *, quota: int) -> UUID:
    """The document's id. Raises ``document.*`` naming the field that is wrong, ``actor.role``; nothing is kept then."""
    actor.require("document.add")
    actor.require(READ_VERBS[thing.on])
    if not may_add(actor, thing.on):
        actor.require(ADD_VERBS[thing.on][0])
    if given.kind not in KIND_WORDS:
        raise invalid("document.what", f"Say what it is: {', '.join(KIND_WORDS)}.", field="kind")
    if given.audience not in AUDIENCE_WORDS:
        raise invalid("document.audience", f"Say who may see it: {', '.join(AUDIENCE_WORDS)}.", field="audience")
    note = checked_note(given.note)
    await queries.require_thing(session, actor, thing, given.audience)
    media_type = sniff(given.content)
    picture: Picture | None = None
    content = given.content
    if media_type in PICTURES:
        picture = await asyncio.to_thread(looked_through, content, media_type)
        content = picture.content
    digest = hashlib.sha256(content).digest()
    kept = await fetch_value(
        session, _KEEP, actor.company_id, digest, len(content), content, picture.small if picture else None
    )
    # Counted after it was kept: the row of the sum is locked last and shortly.
    if kept is not None and await fetch_value(session, _COUNT, actor.company_id, kept) > quota:
        raise conflict(
            "document.quota",
            f"Your company keeps as many documents as it may ({quota // 1024 // 1024:,} MB). Ask the operator for more. Nothing was kept.",
        )
    made: UUID = await fetch_value(
        session,
        f"INSERT INTO document (company_id, {thing.on}_id, kind, name, media_type, sha256, size, width, height, audience, note, added_by, added_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
        actor.company_id, thing.id, given.kind, safe_name(given.name, media_type), media_type, digest, len(content),
        picture.width if picture else None, picture.height if picture else None, given.audience, note, actor.user_id, now,
    )  # fmt: skip
    if given.audience == "same" and (companies := await queries.concerned(session, thing)):
        aggregate = "order" if thing.on == "order" else "call"
        await emit(session, "document.added", aggregate, thing.id, companies, {"document_id": made})
    return made


async def withdraw(session: WriteSession, actor: Actor, document_id: UUID, now: datetime) -> None:
    """Shown to nobody else from now on; the company that added it still sees that it was there. Raises ``document.not_found``,
    ``document.whose``, ``document.withdrawn``."""
    found = await queries.document(session, actor, document_id)
    if found.company_id != actor.company_id:
        raise conflict("document.whose", f"Only {found.company} can withdraw it, who added it.")
    if not may_add(actor, found.on):
        actor.require(ADD_VERBS[found.on][0])
    done = await execute(
        session,
        "INSERT INTO document_withdrawn (document_id, company_id, withdrawn_by, withdrawn_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        document_id, actor.company_id, actor.user_id, now,
    )  # fmt: skip
    if done != "INSERT 0 1":
        raise conflict("document.withdrawn", "It was withdrawn before.")

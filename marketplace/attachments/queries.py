"""Reads of documents. The database's policies ask the thing that a document hangs on whether it may be seen; hidden holders are left out
here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.attachments.rules import READ_VERBS, On, Thing
from marketplace.db.session import Database, Tenant, fetch, fetch_one, fetch_value
from marketplace.kit.errors import forbidden, missing
from marketplace.parties.actor import Actor

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as whoever may see it reads it. ``by``: the person, for its own company, which alone sees the name."""

    id: UUID
    on: On
    on_id: UUID
    company_id: UUID
    company: str
    kind: str
    name: str
    media_type: str
    sha256: bytes
    size: int
    width: int | None
    height: int | None
    audience: str
    note: str
    by: str | None
    added_at: datetime
    withdrawn_at: datetime | None


_DOCUMENT: Final = """
SELECT d.id, CASE WHEN d.part_id IS NOT NULL THEN 'part' WHEN d.lot_id IS NOT NULL THEN 'lot' WHEN d.listing_id IS NOT NULL THEN 'listing'
                  WHEN d.order_id IS NOT NULL THEN 'order' ELSE 'call' END AS on,
       coalesce(d.part_id, d.lot_id, d.listing_id, d.order_id, d.call_id) AS on_id,
       d.company_id, c.name AS company, d.kind, d.name, d.media_type, d.sha256, d.size, d.width, d.height, d.audience, d.note,
       u.name AS by, d.added_at, w.withdrawn_at
FROM document d JOIN company c ON c.id = d.company_id LEFT JOIN user_account u ON u.id = d.added_by
LEFT JOIN document_withdrawn w ON w.document_id = d.id
"""
# What a holder that is not named shows of its units would tell who it is: $1 the reader's company, $2 makers that hide their holders.
_TOLD: Final = """(cardinality($2::uuid[]) = 0 OR d.company_id = $1 OR d.company_id = ANY($2::uuid[]) OR (d.lot_id IS NULL AND d.call_id IS NULL))"""


def _row(r: asyncpg.Record) -> DocumentRow:
    return DocumentRow(**dict(r))


async def documents(
    session: AsyncSession, actor: Actor, things: Sequence[Thing] | None, *, after: UUID | None = None, limit: int = 100
) -> Sequence[DocumentRow]:
    """What hangs on these (None: what its own company added to anything) and the actor may see, newest first; what its own company
    withdrew is there with its date. One statement."""
    if things is None:
        return await _own(session, actor, after, limit)
    by_kind: Mapping[str, list[UUID]] = {
        on: [t.id for t in things if t.on == on and actor.may(READ_VERBS[on])] for on in READ_VERBS
    }
    if not any(by_kind.values()):
        return []
    rows = await fetch(
        session,
        f"{_DOCUMENT} WHERE {_TOLD} AND (d.part_id = ANY($3::uuid[]) OR d.lot_id = ANY($4::uuid[]) OR d.listing_id = ANY($5::uuid[]) "
        "OR d.order_id = ANY($6::uuid[]) OR d.call_id = ANY($7::uuid[])) AND ($8::uuid IS NULL OR d.id < $8) ORDER BY d.id DESC LIMIT $9",
        actor.company_id, list(actor.masked), *by_kind.values(), after, limit,
    )  # fmt: skip
    return [_row(r) for r in rows]


async def _own(session: AsyncSession, actor: Actor, after: UUID | None, limit: int) -> Sequence[DocumentRow]:
    columns = [f"d.{on}_id IS NOT NULL" for on, verb in READ_VERBS.items() if actor.may(verb)]
    rows = await fetch(
        session,
        f"{_DOCUMENT} WHERE d.company_id = $1 AND ({' OR '.join(columns) or 'false'}) AND ($2::uuid IS NULL OR d.id < $2) "
        "ORDER BY d.id DESC LIMIT $3",
        actor.company_id, after, limit,
    )  # fmt: skip
    return [_row(r) for r in rows]


async def document(session: AsyncSession, actor: Actor, document_id: UUID) -> DocumentRow:
    """Raises ``document.not_found``, ``actor.role``."""
    row = await fetch_one(
        session, f"{_DOCUMENT} WHERE {_TOLD} AND d.id = $3", actor.company_id, list(actor.masked), document_id
    )
    if row is None:
        raise missing("document.not_found", "No such document, or it was withdrawn.")
    found = _row(row)
    actor.require(READ_VERBS[found.on])
    return found


async def small(session: AsyncSession, found: DocumentRow) -> bytes | None:
    """The picture for lists; None where there is none."""
    kept: bytes | None = await fetch_value(
        session,
        "SELECT small FROM document_content WHERE company_id = $1 AND sha256 = $2",
        found.company_id,
        found.sha256,
    )
    return kept


async def pieces(database: Database, tenant: Tenant, found: DocumentRow) -> AsyncIterator[bytes]:
    """What the file holds, a piece at a time: no more than that is in memory at once."""
    async with database.read(tenant) as session:
        for at in range(0, found.size, _PIECE):
            piece: bytes | None = await fetch_value(
                session,
                "SELECT substring(content FROM $3 FOR $4) FROM document_content WHERE company_id = $1 AND sha256 = $2",
                found.company_id, found.sha256, at + 1, _PIECE,
            )  # fmt: skip
            if not piece:
                return
            yield piece


_MAY: Final[Mapping[On, str]] = {
    "part": "SELECT EXISTS (SELECT FROM maker m WHERE m.id = t.maker_id AND m.company_id = $2) FROM part t WHERE t.id = $1",
    "lot": "SELECT EXISTS (SELECT FROM position p WHERE p.lot_id = t.lot_id AND p.quantity > 0 "
    "AND $2 IN (p.owner_id, p.holder_id, p.beneficiary_id)) FROM lot t WHERE t.lot_id = $1",
    "listing": "SELECT t.company_id = $2 FROM listing t WHERE t.id = $1",
    "order": "SELECT $2 IN (t.seller_id, t.buyer_id) FROM purchase_order t WHERE t.id = $1",
    "call": "SELECT $2 IN (t.maker_id, t.holder_id, t.company_id) FROM call t WHERE t.id = $1",
}
_WHOSE: Final[Mapping[On, str]] = {
    "part": "Only the maker of a part shows documents of it to others; keep yours for your own company.",
    "lot": "Only who owns, holds or may call a unit attaches to it.",
    "listing": "Only the seller attaches to a listing.",
    "order": "Only seller and buyer attach to an order.",
    "call": "Only its parties attach to an order back.",
}


async def require_thing(session: AsyncSession, actor: Actor, thing: Thing, audience: str) -> None:
    """That the actor sees the thing, and that its company may attach to it for that audience. Raises ``document.thing``,
    ``document.whose``."""
    may = await fetch_value(session, _MAY[thing.on], thing.id, actor.company_id)
    if may is None:
        raise missing("document.thing", "There is nothing of yours with this id to attach a document to.")
    if not may and not (thing.on == "part" and audience == "own"):
        raise forbidden("document.whose", _WHOSE[thing.on])


async def concerned(session: AsyncSession, thing: Thing) -> Sequence[UUID]:
    """Whose pages tell of it: both sides of an order or an order back."""
    if thing.on == "order":
        rows = await fetch(session, "SELECT seller_id, buyer_id FROM purchase_order WHERE id = $1", thing.id)
    elif thing.on == "call":
        rows = await fetch(session, "SELECT maker_id, holder_id, company_id FROM call WHERE id = $1", thing.id)
    else:
        return []
    return [company for row in rows for company in row]

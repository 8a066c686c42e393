"""Notices: a holder says that it wants to do something with units; the maker has some days to order them instead, or to
answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.notice import Notice
from marketplace.agreements.outcomes import Act, Need
from marketplace.db.session import WriteSession, fetch
from marketplace.kit.errors import missing

COLUMNS = (
    "id", "agreement_id", "part_id", "act", "needs", "quantity", "taken", "used", "offer", "offered_by", "note", "status",
    "noticed_at", "answer_by", "clear_from", "clear_until", "answered_at", "answer_note",
)  # fmt: skip
_COLUMNS = f"""{", ".join(f"n.{name}" for name in COLUMNS)}, (
    SELECT coalesce(sum(e.units - CASE WHEN e.notice_id = n.id THEN e.notice_units ELSE 0 END), 0)::int
    FROM agreement_exercise e WHERE e.agreement_id = n.agreement_id AND e.part_id = n.part_id AND e.at >= n.noticed_at
    AND e.undone_at IS NULL
) AS ordered_beside"""
STANDS = "n.status IN ('open', 'agreed') AND n.quantity > n.taken + n.used"
"""Notices that still count for something, as far as their dates allow."""
GOES_ON = "a.status NOT IN ('closed', 'terminated', 'superseded', 'withdrawn')"
"""Agreements that are over leave nothing to ask for."""


def as_notice(row: Any) -> Notice:
    """A row with ``COLUMNS`` as a notice."""
    rest = {name: row[name] for name in COLUMNS if name not in ("act", "needs", "noticed_at")}
    return Notice(
        **rest,
        ordered_beside=row["ordered_beside"],
        act=Act(row["act"]),
        needs=Need(row["needs"]),
        at=row["noticed_at"],
    )


async def notices(session: AsyncSession, agreement_id: UUID) -> Sequence[Notice]:
    """The holder's notices under an agreement, oldest first."""
    rows = await fetch(
        session, f"SELECT {_COLUMNS} FROM notice n WHERE n.agreement_id = $1 ORDER BY n.id", agreement_id
    )
    return [as_notice(r) for r in rows]


async def standing_notices(
    session: AsyncSession, pairs: Collection[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], list[Notice]]:
    """By (agreement, part) the notices of which units are left, oldest first; what they come to their dates say. One
    statement, however many pairs."""
    rows = await fetch(
        session,
        f"SELECT {_COLUMNS} FROM unnest($1::uuid[], $2::uuid[]) AS w (agreement_id, part_id) "
        f"JOIN notice n ON n.agreement_id = w.agreement_id AND n.part_id = w.part_id WHERE {STANDS} ORDER BY n.id",
        [agreement for agreement, _ in pairs],
        [part for _, part in pairs],
    )
    found: dict[tuple[UUID, UUID], list[Notice]] = {}
    for r in rows:
        found.setdefault((r["agreement_id"], r["part_id"]), []).append(as_notice(r))
    return found


async def notice_for_update(session: WriteSession, agreement_id: UUID, notice_id: UUID) -> Notice:
    """One notice, locked; its agreement is locked before. Raises ``notice.not_found``."""
    rows = await fetch(
        session,
        f"SELECT {_COLUMNS} FROM notice n WHERE n.agreement_id = $1 AND n.id = $2 FOR NO KEY UPDATE",
        agreement_id,
        notice_id,
    )
    if not rows:
        raise missing("notice.not_found", "No such notice under this agreement.")
    return as_notice(rows[0])


async def running_notices_for_update(
    session: WriteSession, pairs: Collection[tuple[UUID, UUID]], now: datetime
) -> dict[tuple[UUID, UUID], list[Notice]]:
    """By (agreement, part) the notices that can still be answered, oldest first, locked; their agreements are locked before."""
    rows = await fetch(
        session,
        f"SELECT {_COLUMNS}, n.part_id FROM notice n WHERE (n.agreement_id, n.part_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) "
        f"AND n.status = 'open' AND n.answer_by > $3 AND {STANDS} ORDER BY n.id FOR NO KEY UPDATE",
        [agreement for agreement, _ in pairs],
        [part for _, part in pairs],
        now,
    )
    found: dict[tuple[UUID, UUID], list[Notice]] = {}
    for r in rows:
        found.setdefault((r["agreement_id"], r["part_id"]), []).append(as_notice(r))
    return found


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice with its agreement, part and the two sides."""

    notice: Notice
    agreement_id: UUID
    agreement: str
    currency: str
    part_number: str
    description: str
    uom: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    zone: str


_TABLES = """
FROM notice n JOIN agreement a ON a.id = n.agreement_id
JOIN company m ON m.id = n.maker_id JOIN company h ON h.id = n.holder_id JOIN part p ON p.id = n.part_id
"""
_ROW = f"""{_COLUMNS}, a.reference AS agreement, a.currency::text AS currency, p.number AS part_number, p.description, p.uom,
n.maker_id, m.name AS maker, n.holder_id, h.name AS holder, a.zone"""


def _row(r: Any) -> NoticeRow:
    return NoticeRow(
        as_notice(r), r["agreement_id"], r["agreement"], r["currency"], r["part_number"], r["description"], r["uom"],
        r["maker_id"], r["maker"], r["holder_id"], r["holder"], r["zone"],
    )  # fmt: skip


async def open_notices(
    session: AsyncSession, company_id: UUID, now: datetime, *, after: UUID | None = None, limit: int = 50
) -> Sequence[NoticeRow]:
    """Notices to or from a company that are running or cleared and not used up, newest first."""
    rows = await fetch(
        session,
        f"SELECT {_ROW} {_TABLES} WHERE (n.maker_id = $1 OR n.holder_id = $1) AND {STANDS} AND {GOES_ON} "
        "AND (n.status = 'open' AND n.answer_by > $2 OR n.clear_until > $2) AND ($3::uuid IS NULL OR n.id < $3) "
        "ORDER BY n.id DESC LIMIT $4",
        company_id,
        now,
        after,
        limit,
    )
    return [_row(r) for r in rows]


async def one_notice(session: AsyncSession, company_id: UUID, notice_id: UUID) -> NoticeRow:
    """A notice to or from a company. Raises ``notice.not_found``."""
    rows = await fetch(
        session,
        f"SELECT {_ROW} {_TABLES} WHERE (n.maker_id = $1 OR n.holder_id = $1) AND n.id = $2",
        company_id,
        notice_id,
    )
    if not rows:
        raise missing("notice.not_found", "No such notice to or from your company.")
    return _row(rows[0])


async def running_ids(session: AsyncSession, company_id: UUID, now: datetime) -> Sequence[UUID]:
    """Notices to this maker that can still be answered by their dates."""
    rows = await fetch(
        session,
        "SELECT n.id FROM notice n JOIN agreement a ON a.id = n.agreement_id "
        f"WHERE n.maker_id = $1 AND {STANDS} AND n.status = 'open' AND n.answer_by > $2 AND {GOES_ON}",
        company_id,
        now,
    )
    return [r["id"] for r in rows]


async def stood_notices_for_update(session: WriteSession, agreement_ids: Sequence[UUID]) -> Sequence[Notice]:
    """The notices under these agreements, which are locked, of which units are left, locked: their dates are to be moved."""
    rows = await fetch(
        session,
        f"SELECT {_COLUMNS} FROM notice n WHERE n.agreement_id = ANY($1::uuid[]) AND {STANDS} ORDER BY n.id FOR NO KEY UPDATE",
        list(agreement_ids),
    )
    return [as_notice(r) for r in rows]

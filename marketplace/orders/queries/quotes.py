"""Reads of quotes: what was asked for, every version of what was offered, and what both sides wrote. Both see the same record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.orders.quoting import Side, Standing


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """A quote with how it stands."""

    id: UUID
    reference: str
    buyer_id: UUID
    buyer: str
    seller_id: UUID
    seller: str
    part_id: UUID
    part_number: str
    description: str
    uom: str
    listing_id: UUID | None
    quantity: int
    needed_by: date | None
    ship_to_site_id: UUID
    po_number: str
    note: str
    status: str
    last_version: int
    last_by: UUID | None
    expires_at: datetime | None
    order_id: UUID | None
    order_reference: str | None
    reason_code: str | None
    reason_text: str | None
    asked_by: UUID
    asked_at: datetime
    ended_by: str | None
    """The company that ended it."""
    ended_at: datetime | None

    def side_of(self, company_id: UUID) -> Side:
        """Which side a company is. Raises ``quote.not_found`` for any other."""
        if company_id == self.seller_id:
            return "seller"
        if company_id == self.buyer_id:
            return "buyer"
        raise missing("quote.not_found", "No such request for a quote.")

    @property
    def standing(self) -> Standing:
        """For the rules."""
        last = None if self.last_by is None else self.side_of(self.last_by)
        return Standing(self.status, self.last_version, last, self.expires_at)

    def shown_status(self, now: datetime) -> str:
        """The status as people see it: an offer past its time has lapsed."""
        return self.standing.shown(now)


_COLUMNS = """
SELECT q.id, q.reference, q.buyer_id, b.name AS buyer, q.seller_id, s.name AS seller, q.part_id, p.number AS part_number,
       p.description, p.uom, q.listing_id, q.quantity, q.needed_by, q.ship_to_site_id, q.po_number, q.note, q.status, q.last_version,
       q.last_by, q.expires_at, q.order_id, o.reference AS order_reference, q.reason_code, q.reason_text, q.asked_by, q.asked_at,
       e.name AS ended_by, q.ended_at
"""
_JOINS = """
JOIN company b ON b.id = q.buyer_id JOIN company s ON s.id = q.seller_id JOIN part p ON p.id = q.part_id
LEFT JOIN purchase_order o ON o.id = q.order_id LEFT JOIN company e ON e.id = q.ended_by
"""


async def quote(session: AsyncSession, quote_id: UUID) -> QuoteRow:
    """One visible quote. Raises ``quote.not_found``."""
    row = await fetch_one(session, _COLUMNS + "FROM quote q" + _JOINS + "WHERE q.id = $1", quote_id)
    if row is None:
        raise missing("quote.not_found", "No such request for a quote.")
    return QuoteRow(**dict(row))


async def quote_for_update(session: WriteSession, quote_id: UUID) -> QuoteRow:
    """The same, locked first and read after. Raises ``quote.not_found``."""
    await fetch_one(session, "SELECT id FROM quote WHERE id = $1 FOR NO KEY UPDATE", quote_id)
    return await quote(session, quote_id)


async def quote_of_order(session: AsyncSession, order_id: UUID) -> QuoteRow | None:
    """The quote that an order came of."""
    row = await fetch_one(session, _COLUMNS + "FROM quote q" + _JOINS + "WHERE q.order_id = $1", order_id)
    return QuoteRow(**dict(row)) if row else None


STATES = ("open", "waits", "ended")


def waits(now: str) -> str:
    """As SQL over ``quote q``: whether it waits for an answer of the company $1 at the moment that ``now`` names."""
    return (
        "q.ended_at IS NULL AND (q.status = 'asked' AND q.seller_id = $1 "
        f"OR q.status = 'offered' AND q.expires_at > {now} AND q.last_by <> $1)"
    )


async def quotes(
    session: AsyncSession,
    company_id: UUID,
    *,
    now: datetime,
    side: str | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[QuoteRow]:
    """The company's quotes, newest first; ``side`` 'buying' or 'selling', ``state`` 'open', 'waits' (for this company's answer now)
    or 'ended'. The page is chosen before anything is joined to it."""
    sides = {"buying": "q.buyer_id = $1", "selling": "q.seller_id = $1"}
    where = [sides.get(side or "", "(q.seller_id = $1 OR q.buyer_id = $1)"), "($2::uuid IS NULL OR q.id < $2)"]
    if state == "waits":
        where.append(waits("$4"))
    elif state in ("open", "ended"):
        where.append(f"q.ended_at IS {'NULL' if state == 'open' else 'NOT NULL'}")
    rows = await fetch(
        session,
        "WITH page AS MATERIALIZED (SELECT q.* FROM quote q WHERE $4::timestamptz IS NOT NULL AND " + " AND ".join(where)
        + " ORDER BY q.id DESC LIMIT $3) " + _COLUMNS + "FROM page q" + _JOINS + "ORDER BY q.id DESC",
        company_id, after, limit, now,
    )  # fmt: skip
    return [QuoteRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class OfferedLine:
    """A line of a version. ``listing_id``: None once its posting's draft was changed."""

    line_no: int
    listing_id: UUID | None
    part_id: UUID
    part_number: str
    uom: str
    condition: str
    relation: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of an offer, whole. ``maker``: who made it, for its own company alone."""

    number: int
    by_company: UUID
    company: str
    made_by: UUID
    maker: str | None
    made_at: datetime
    expires_at: datetime
    reserved: bool
    currency: str
    clauses: list[dict[str, Any]] | None
    note: str
    sha256: str
    lines: tuple[OfferedLine, ...]

    @property
    def total(self) -> Decimal:
        """What it comes to."""
        return sum((x.quantity * x.unit_price for x in self.lines), Decimal(0))


async def versions(session: AsyncSession, quote_id: UUID, *, number: int | None = None) -> Sequence[VersionRow]:
    """Every version of an offer, oldest first (or only ``number``), with its lines; two statements however many."""
    found = await fetch(
        session,
        "SELECT v.number, v.by_company, c.name AS company, v.made_by, u.name AS maker, v.made_at, v.expires_at, v.reserved, v.currency, "
        "v.clauses, v.note, encode(v.sha256, 'hex') AS sha256 FROM quote_version v JOIN company c ON c.id = v.by_company "
        "LEFT JOIN user_account u ON u.id = v.made_by WHERE v.quote_id = $1 AND ($2::int IS NULL OR v.number = $2) ORDER BY v.number",
        quote_id, number,
    )  # fmt: skip
    lines: dict[int, list[OfferedLine]] = {}
    for r in await fetch(
        session,
        "SELECT x.number, x.line_no, x.listing_id, x.part_id, p.number AS part_number, p.uom, x.condition, x.relation, x.quantity, "
        "x.unit_price FROM quote_line x JOIN part p ON p.id = x.part_id "
        "WHERE x.quote_id = $1 AND ($2::int IS NULL OR x.number = $2) ORDER BY x.number, x.line_no",
        quote_id, number,
    ):  # fmt: skip
        columns = dict(r)
        lines.setdefault(columns.pop("number"), []).append(OfferedLine(**columns))
    return [VersionRow(**dict(r), lines=tuple(lines.get(r["number"], ()))) for r in found]


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message. ``author``: the person's name for its own company, which alone sees it; None for the other side."""

    id: UUID
    company_id: UUID
    company: str
    author: str | None
    text: str
    at: datetime


_MESSAGE = """
SELECT m.id, m.from_id AS company_id, c.name AS company, u.name AS author, m.text, m.at FROM trade_message m
JOIN company c ON c.id = m.from_id LEFT JOIN user_account u ON u.id = m.author_id
WHERE (m.order_id = $1 OR m.quote_id = $2)
"""


async def messages(
    session: AsyncSession, *, order_id: UUID | None, quote_id: UUID | None, after: UUID | None, limit: int
) -> Sequence[MessageRow]:
    """What was written on an order and on the quote that it came of, oldest first, by keyset (``after``: the last one's id)."""
    sql = _MESSAGE + "AND ($3::uuid IS NULL OR m.id > $3) ORDER BY m.id LIMIT $4"
    return [MessageRow(**dict(r)) for r in await fetch(session, sql, order_id, quote_id, after, limit)]


async def latest_messages(
    session: AsyncSession, *, order_id: UUID | None, quote_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[MessageRow]:
    """The newest of them (before ``before``), oldest first."""
    sql = _MESSAGE + "AND ($3::uuid IS NULL OR m.id < $3) ORDER BY m.id DESC LIMIT $4"
    rows = await fetch(session, sql, order_id, quote_id, before, limit)
    return [MessageRow(**dict(r)) for r in reversed(rows)]

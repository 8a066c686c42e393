"""What was owed and paid in a month, by the moment since which each fact counts: a line since it was written, a payment
since both sides say so, the taking back of one since both agreed. Nothing here reads what is only true today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_value
from marketplace.kit.errors import missing
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.settlement.months import Balance, Entry, Month, Statement

MOST_ENTRIES = 20_000
"""Entries of one statement in a file that is made at once (XLSX, PDF)."""

# $1 the company that reads, $2 the other one (none: each), $3 the end of the month.
_OTHERS = "({own} = $1 AND ($2::uuid IS NULL OR {other} = $2) OR {other} = $1 AND ($2::uuid IS NULL OR {own} = $2))"
_COUNTS = "greatest({p}.payer_at, {p}.payee_at)"
_FACTS = f"""
SELECT l.created_at AS known_at, l.id, l.id AS record_id, CASE WHEN l.counters_id IS NULL THEN 'line' ELSE 'credit' END AS what,
       l.kind, l.reference, l.cause_reference || ', ' || coalesce(l.quantity || ' ' || t.uom || ' ', '') || t.number AS about,
       (l.created_at AT TIME ZONE 'UTC')::date AS "on", l.due_on, l.currency,
       CASE WHEN l.payer_id = $1 THEN l.payee_id ELSE l.payer_id END AS other_id,
       CASE WHEN l.payee_id = $1 THEN l.amount ELSE 0 END AS in_favour,
       CASE WHEN l.payer_id = $1 THEN l.amount ELSE 0 END AS against
FROM settlement_line l LEFT JOIN part t ON t.id = l.part_id
WHERE {_OTHERS.format(own="l.payer_id", other="l.payee_id")} AND l.amount > 0 AND l.created_at < $3
UNION ALL
SELECT {_COUNTS.format(p="y")}, y.id, y.id, CASE WHEN y.how = 'set_off' THEN 'set_off' ELSE 'payment' END, y.how, y.reference,
       y.bank_reference, y.paid_on, NULL::date, y.currency, CASE WHEN y.from_id = $1 THEN y.to_id ELSE y.from_id END,
       CASE WHEN y.from_id = $1 OR y.how = 'set_off' THEN y.amount ELSE 0 END,
       CASE WHEN y.to_id = $1 OR y.how = 'set_off' THEN y.amount ELSE 0 END
FROM payment y
-- A credit is its counter line; what it is set against moves nothing.
WHERE {_OTHERS.format(own="y.from_id", other="y.to_id")} AND y.how NOT IN ('credit', 'reversal')
  AND y.payer_at IS NOT NULL AND y.payee_at IS NOT NULL AND {_COUNTS.format(p="y")} < $3
UNION ALL
SELECT {_COUNTS.format(p="y")}, y.id, o.id, 'taken_back', o.how, o.reference, y.note, y.paid_on, NULL::date, y.currency,
       CASE WHEN y.from_id = $1 THEN y.to_id ELSE y.from_id END,
       CASE WHEN o.to_id = $1 OR o.how = 'set_off' THEN o.amount ELSE 0 END,
       CASE WHEN o.from_id = $1 OR o.how = 'set_off' THEN o.amount ELSE 0 END
FROM payment y JOIN payment o ON o.id = y.reverses_id
-- What never counted takes nothing back.
WHERE {_OTHERS.format(own="y.from_id", other="y.to_id")} AND y.how = 'reversal' AND o.payer_at IS NOT NULL
  AND o.payee_at IS NOT NULL AND y.payer_at IS NOT NULL AND y.payee_at IS NOT NULL AND {_COUNTS.format(p="y")} < $3
"""
_NET = "coalesce(sum(f.in_favour - f.against) FILTER (WHERE {when}), 0)"
_BALANCES = f"""
SELECT f.other_id, c.name AS other, f.currency, {_NET.format(when="f.known_at < $4")} AS opening,
       {_NET.format(when="f.known_at >= $4 AND f.what = 'line'")} AS lines,
       {_NET.format(when="f.known_at >= $4 AND f.what = 'credit'")} AS credits,
       {_NET.format(when="f.known_at >= $4 AND f.what = 'payment'")} AS payments,
       {_NET.format(when="f.known_at >= $4 AND f.what = 'taken_back'")} AS taken_back,
       coalesce(sum(f.in_favour) FILTER (WHERE f.known_at >= $4 AND f.what = 'set_off'), 0)
         - coalesce(sum(f.in_favour) FILTER (WHERE f.known_at >= $4 AND f.what = 'taken_back' AND f.kind = 'set_off'), 0) AS set_off,
       sum(f.in_favour - f.against) AS closing, count(*) FILTER (WHERE f.known_at >= $4)::int AS entries
FROM ({_FACTS}) f JOIN company c ON c.id = f.other_id
GROUP BY f.other_id, c.name, f.currency
HAVING count(*) FILTER (WHERE f.known_at >= $4) > 0 OR sum(f.in_favour - f.against) <> 0
"""


async def statements(
    session: AsyncSession, actor: Actor, month: Month, *, after: str | None = None, limit: int = 50, secret: str
) -> Page[Balance]:
    """The balances of a month with each other company, in each currency in which something happened or is open, by name."""
    key = read_bookmark(after, secret, str, UUID, str)
    rows = await fetch(
        session,
        f"SELECT * FROM ({_BALANCES}) b WHERE $5::text IS NULL OR (b.other, b.other_id, b.currency) > ($5, $6::uuid, $7) "
        "ORDER BY b.other, b.other_id, b.currency LIMIT $8",
        actor.company_id, None, month.end, month.start, key[0] if key else None, key[1] if key else None,
        key[2] if key else None, limit + 1,
    )  # fmt: skip
    return cut([Balance(**dict(r)) for r in rows], limit, lambda b: [b.other, b.other_id, b.currency], secret)


async def statement(session: AsyncSession, actor: Actor, other_id: UUID, month: Month, now: datetime) -> Statement:
    """A month with one other company. Raises ``statement.not_found`` for a company that one has nothing to do with,
    ``statement.not_begun``."""
    month.require_begun(now)
    rows = await fetch(session, f"{_BALANCES} ORDER BY f.currency", actor.company_id, other_id, month.end, month.start)
    name = rows[0]["other"] if rows else await fetch_value(
        session,
        "SELECT c.name FROM counterparty k JOIN company c ON c.id = k.other_id WHERE k.company_id = $1 AND k.other_id = $2",
        actor.company_id, other_id,
    )  # fmt: skip
    if name is None:
        raise missing("statement.not_found", "No such company that yours deals with.")
    balances = [Balance(**dict(r)) for r in rows]
    return Statement(actor.company_name, other_id, name, month, month.closed(now), balances)


async def entries(
    session: AsyncSession,
    actor: Actor,
    other_id: UUID,
    month: Month,
    *,
    currency: str | None = None,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[Entry]:
    """What a statement is made of, by currency and then by the moment since which each counts."""
    key = read_bookmark(after, secret, str, datetime.fromisoformat, UUID)
    rows = await _entries(session, actor, other_id, month, currency, key, limit + 1)
    return cut(rows, limit, lambda e: [e.currency, e.known_at, e.id], secret)


async def all_entries(session: AsyncSession, actor: Actor, other_id: UUID, month: Month) -> Sequence[Entry]:
    """All of them, for a file that is made at once; at most ``MOST_ENTRIES``: ask how many there are before."""
    return await _entries(session, actor, other_id, month, None, None, MOST_ENTRIES)


async def _entries(
    session: AsyncSession,
    actor: Actor,
    other_id: UUID,
    month: Month,
    currency: str | None,
    key: Sequence[Any] | None,
    most: int,
) -> list[Entry]:
    rows = await fetch(
        session,
        "SELECT f.known_at, f.id, f.record_id, f.what, f.kind, f.reference, f.about, f.\"on\", f.due_on, f.currency, f.in_favour, "
        f"f.against FROM ({_FACTS}) f WHERE f.known_at >= $4 AND ($5::text IS NULL OR f.currency = $5) "
        "AND ($6::text IS NULL OR (f.currency, f.known_at, f.id) > ($6, $7::timestamptz, $8::uuid)) "
        "ORDER BY f.currency, f.known_at, f.id LIMIT $9",
        actor.company_id, other_id, month.end, month.start, currency, *(key or (None, None, None)), most,
    )  # fmt: skip
    return [Entry(**dict(r)) for r in rows]

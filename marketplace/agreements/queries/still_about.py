"""Notices as pages and the API show them: without units that went by another act (``notice.cut_down``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.covered import Covered
from marketplace.agreements.notice import Notice
from marketplace.agreements.queries.facts import terms_and_facts
from marketplace.agreements.queries.notices import NoticeRow, notices, one_notice, open_notices, running_ids
from marketplace.agreements.reach import still_about
from marketplace.db.session import fetch


async def open_notices_now(
    session: AsyncSession, company_id: UUID, now: datetime, *, after: UUID | None = None, limit: int = 50
) -> Sequence[NoticeRow]:
    """As ``open_notices``, each with the units that it can still be about."""
    found = await open_notices(session, company_id, now, after=after, limit=limit)
    known = await _known(session, [row.notice for row in found], now)
    return [replace(row, notice=known.get(row.notice.id, row.notice)) for row in found]


async def one_notice_now(session: AsyncSession, company_id: UUID, notice_id: UUID, now: datetime) -> NoticeRow:
    """As ``one_notice``, with the units that it can still be about. Raises ``notice.not_found``."""
    row = await one_notice(session, company_id, notice_id)
    known = await _known(session, [row.notice], now)
    return replace(row, notice=known.get(row.notice.id, row.notice))


async def notices_now(session: AsyncSession, agreement_id: UUID, now: datetime) -> Sequence[Notice]:
    """As ``notices``, each with the units that it can still be about."""
    found = await notices(session, agreement_id)
    known = await _known(session, found, now)
    return [known.get(notice.id, notice) for notice in found]


async def left_of_notices(session: AsyncSession, ids: Collection[UUID], now: datetime) -> Mapping[UUID, int]:
    """By id how many units each of these notices can still be about."""
    rows = await fetch(
        session,
        "SELECT id, agreement_id, part_id, quantity - taken - used AS named FROM notice WHERE id = ANY($1::uuid[])",
        list(ids),
    )
    known = await _of_pairs(session, [(r["agreement_id"], r["part_id"]) for r in rows], now)
    # Under the first library a notice is about what it names.
    return {r["id"]: known[r["id"]].left if r["id"] in known else r["named"] for r in rows}


async def notices_running(session: AsyncSession, company_id: UUID, now: datetime) -> int:
    """How many notices to this maker still run: units it may order, or a request that it may answer, and some are left."""
    return sum(
        1
        for left in (await left_of_notices(session, await running_ids(session, company_id, now), now)).values()
        if left > 0
    )


async def _known(session: AsyncSession, shown: Sequence[Notice], now: datetime) -> Mapping[UUID, Notice]:
    """By id the notices that still count under the agreements of those ``shown``, cut down together."""
    return await _of_pairs(session, [(notice.agreement_id, notice.part_id) for notice in shown], now)


async def _of_pairs(session: AsyncSession, of: Collection[tuple[UUID, UUID]], now: datetime) -> Mapping[UUID, Notice]:
    pairs = sorted(set(of))
    covered: Mapping[tuple[UUID, UUID], Covered] = await terms_and_facts(session, pairs) if pairs else {}
    return {
        notice.id: notice
        for known in covered.values()
        for notice in still_about(known.clauses, known.facts, known.facts.circumstances.notices, now)
    }

"""Notices as pages and the API show them: without units that went by another act (``notice.cut_down``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.covered import Covered
from marketplace.agreements.notice import Notice
from marketplace.agreements.queries.facts import terms_and_facts
from marketplace.agreements.queries.notices import NoticeRow, notices, one_notice, open_notices
from marketplace.agreements.reach import still_about


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


async def _known(session: AsyncSession, shown: Sequence[Notice], now: datetime) -> Mapping[UUID, Notice]:
    """By id the notices that still count under the agreements of those ``shown``, cut down together."""
    pairs = sorted({(notice.agreement_id, notice.part_id) for notice in shown})
    covered: Mapping[tuple[UUID, UUID], Covered] = await terms_and_facts(session, pairs) if pairs else {}
    return {
        notice.id: notice
        for known in covered.values()
        for notice in still_about(known.clauses, known.facts, known.facts.circumstances.notices, now)
    }

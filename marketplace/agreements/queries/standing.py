"""Whether an agreement stands still now, and when it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.stops import EVENTS
from marketplace.db.session import WriteSession, fetch, fetch_one


@dataclass(frozen=True, slots=True)
class Still:
    """Why nothing may be done under an agreement now: 'suspended' or 'legal_hold', by which company."""

    why: str
    reference: str
    by: str | None


_STILL = """
SELECT a.reference, a.status, a.legal_hold, (
    SELECT c.name FROM agreement_event e JOIN company c ON c.id = e.company_id
    WHERE e.subject_id = a.id AND e.kind = CASE WHEN a.legal_hold THEN 'legal_hold' ELSE 'suspended' END
    ORDER BY e.id DESC LIMIT 1
) AS by FROM agreement a WHERE a.id = $1
"""


async def stands_still(session: AsyncSession, agreement_id: UUID) -> Still | None:
    """What stops an agreement now, if anything does."""
    row = await fetch_one(session, _STILL, agreement_id)
    if row is None or not (row["legal_hold"] or row["status"] == "suspended"):
        return None
    return Still("legal_hold" if row["legal_hold"] else "suspended", row["reference"], row["by"])


async def stands_still_for_share(session: WriteSession, agreement_id: UUID) -> Still | None:
    """As ``stands_still``; it stays so until this transaction ends. Lots are locked before."""
    await fetch(session, "SELECT id FROM agreement WHERE id = $1 FOR SHARE", agreement_id)
    return await stands_still(session, agreement_id)


async def stops_of(session: AsyncSession, agreement_ids: Sequence[UUID]) -> dict[UUID, list[tuple[str, datetime]]]:
    """``stops`` of many agreements."""
    rows = await fetch(
        session,
        "SELECT subject_id, kind, at FROM agreement_event WHERE subject_id = ANY($1::uuid[]) AND kind = ANY($2::text[]) "
        "ORDER BY id",
        list(agreement_ids),
        list(EVENTS),
    )
    found: dict[UUID, list[tuple[str, datetime]]] = {}
    for r in rows:
        found.setdefault(r["subject_id"], []).append((r["kind"], r["at"]))
    return found


async def stops(session: AsyncSession, agreement_id: UUID) -> Sequence[tuple[str, datetime]]:
    """When an agreement was suspended or held and went on, as (event, when) in order: for ``stopped_between``."""
    rows = await fetch(
        session,
        "SELECT kind, at FROM agreement_event WHERE subject_id = $1 AND kind = ANY($2::text[]) ORDER BY id",
        agreement_id,
        list(EVENTS),
    )
    return [(r["kind"], r["at"]) for r in rows]

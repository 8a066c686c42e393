"""What happened by itself when orders back came to nothing, and what a maker wants to happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one, fetch_value
from marketplace.sourcing.candidates import URGENCIES
from marketplace.sourcing.cascading import PROPOSE, Rule

CHAIN_SHOWN = 100
"""Orders that came to nothing of one request: more than anybody reads."""


async def cascade_rules(session: AsyncSession, maker_id: UUID) -> dict[str, Rule]:
    """A maker's rule for each urgency, the most urgent first."""
    rows = await fetch(
        session,
        "SELECT DISTINCT ON (urgency) urgency, at_once, most_more_bp, most_later_days FROM cascade_rule WHERE company_id = $1 "
        "ORDER BY urgency, id DESC",
        maker_id,
    )
    stated = {r["urgency"]: Rule(r["at_once"], r["most_more_bp"], r["most_later_days"]) for r in rows}
    return {urgency: stated.get(urgency, PROPOSE) for urgency in URGENCIES}


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a parts request what decides how it goes on: its state, and the maker's rule for its urgency."""

    company_id: UUID
    status: str
    rule: Rule


async def cascade_standing(session: AsyncSession, requisition_id: UUID) -> Standing:
    """One statement; the tenant is the maker."""
    row = await fetch_one(
        session,
        "SELECT r.company_id, r.status, c.at_once, c.most_more_bp, c.most_later_days FROM requisition r LEFT JOIN LATERAL ("
        "SELECT * FROM cascade_rule x WHERE x.company_id = r.maker_id AND x.urgency = r.urgency ORDER BY x.id DESC LIMIT 1"
        ") c ON true WHERE r.id = $1",
        requisition_id,
    )
    assert row is not None  # noqa: S101 - the order that came to nothing is for it
    company_id, status, *rule = row
    return Standing(company_id, status, PROPOSE if rule[0] is None else Rule(*rule))


@dataclass(frozen=True, slots=True)
class Cascade:
    """An order that came to nothing, and what was done about it (``outcome`` None: not yet)."""

    id: UUID
    requisition_id: UUID
    call_id: UUID
    cause: str
    lacking: int
    rule: Mapping[str, Any] | None
    subject: str
    at: datetime
    outcome: str | None
    calls: tuple[UUID, ...]
    words: str | None
    outcome_at: datetime | None


_CASCADE = """
SELECT c.id, c.requisition_id, c.call_id, c.cause, c.lacking, c.rule, c.subject, c.at, o.outcome, coalesce(o.calls, '{}') AS calls,
       o.words, o.at AS outcome_at
FROM cascade c LEFT JOIN cascade_outcome o ON o.cascade_id = c.id
"""


def _row(r: Any) -> Cascade:
    return Cascade(**{**dict(r), "calls": tuple(r["calls"])})


async def cascade(session: AsyncSession, cascade_id: UUID) -> Cascade | None:
    """One of them; None where it is none of the tenant's."""
    row = await fetch_one(session, _CASCADE + "WHERE c.id = $1", cascade_id)
    return _row(row) if row else None


async def chain(session: AsyncSession, requisition_id: UUID) -> Sequence[Cascade]:
    """What came to nothing of a parts request, in the order in which it did; at most the newest 100."""
    rows = await fetch(
        session, _CASCADE + "WHERE c.requisition_id = $1 ORDER BY c.id DESC LIMIT $2", requisition_id, CHAIN_SHOWN
    )
    return [_row(r) for r in reversed(rows)]


class PassedOver(NamedTuple):
    """A holder of whom an order for a parts request came to nothing by what it did or did not do, and the place it was to come from."""

    requisition_id: UUID
    holder_id: UUID
    site_id: UUID | None


async def passed_over(session: AsyncSession, requisition_ids: Sequence[UUID]) -> Sequence[PassedOver]:
    """Those of these parts requests; one statement."""
    rows = await fetch(
        session,
        "SELECT DISTINCT c.requisition_id, k.holder_id, k.site_id FROM cascade c JOIN call k ON k.id = c.call_id "
        "WHERE c.requisition_id = ANY($1::uuid[]) AND c.cause <> 'gave_way'",
        list(requisition_ids),
    )
    return [PassedOver(*r) for r in rows]


async def list_price(session: AsyncSession, part_id: UUID) -> Any:
    """What the catalogue says that a unit costs; None where it says nothing."""
    return await fetch_value(session, "SELECT list_price FROM part WHERE id = $1", part_id)

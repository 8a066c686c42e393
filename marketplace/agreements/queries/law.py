"""The legal limits as they come with the program, and what they are asked about an agreement."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from importlib.resources import files
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.law import Jurisdiction, LawBook, Question, ask, read_rules
from marketplace.agreements.terms import parse_terms
from marketplace.db.session import fetch_one
from marketplace.kit.errors import missing


@cache
def rules() -> LawBook:
    """The rules of ``legal_limits.toml``, read once."""
    return read_rules((files("marketplace.agreements") / "legal_limits.toml").read_bytes())


def places_of(holder_country: str, units_at: Jurisdiction | None) -> tuple[Jurisdiction, ...]:
    """Where a holder and its units are: the place of the units, and the holder's own country where that is another."""
    if units_at is None:
        return (Jurisdiction(holder_country),)
    return (units_at,) if units_at.country == holder_country else (units_at, Jurisdiction(holder_country))


async def question_of(session: AsyncSession, agreement_id: UUID, on: date) -> Question:
    """What the law is asked on a day about an agreement as it was offered. Raises ``agreement.not_found``."""
    row = await fetch_one(
        session,
        "SELECT a.clause, a.version, a.terms::text AS terms, m.country AS maker, h.country AS holder, "
        "(SELECT (e.detail -> 'units_at')::text FROM agreement_event e WHERE e.subject_id = a.id AND e.kind = 'offered' "
        "ORDER BY e.id LIMIT 1) AS units_at "
        "FROM agreement a JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id WHERE a.id = $1",
        agreement_id,
    )
    if row is None:
        raise missing("agreement.not_found", "No such agreement.")
    at = json.loads(row["units_at"]) if row["units_at"] else None
    units_at = Jurisdiction(at["country"], at["subdivision"]) if at else None
    terms = parse_terms(row["clause"], row["version"], json.loads(row["terms"]))
    return ask(terms, Jurisdiction(row["maker"]), places_of(row["holder"], units_at), every_holder=True, on=on)

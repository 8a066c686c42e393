"""The legal limits as they come with the program, and what they are asked about an agreement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from importlib.resources import files
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.law import Finding, Jurisdiction, LawBook, check_clauses, read_rules, refuse_blocked
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.agreements.together import read_further
from marketplace.db.session import fetch, fetch_one, fetch_value
from marketplace.kit.errors import DomainError, missing


@cache
def rules() -> LawBook:
    """The rules of ``legal_limits.toml``, read once."""
    return read_rules((files("marketplace.agreements") / "legal_limits.toml").read_bytes())


def places_of(holder_country: str, units_at: Jurisdiction | None) -> tuple[Jurisdiction, ...]:
    """Where a holder and its units are: the place of the units, and the holder's own country where that is another."""
    if units_at is None:
        return (Jurisdiction(holder_country),)
    return (units_at,) if units_at.country == holder_country else (units_at, Jurisdiction(holder_country))


def require_place(clauses: Sequence[Terms], place: Jurisdiction, on: date, instead: str) -> None:
    """Units come to a place under these clauses after they were signed for another. Raises ``law.blocked`` where a limit of that place
    would cut the right short, with ``instead``: what can be done."""
    found = check_clauses(rules(), clauses, Jurisdiction(""), [place], every_holder=True, on=on)
    try:
        refuse_blocked(found)
    except DomainError as error:
        raise replace(error, message=f"{error.message} {instead}", fields=()) from None


async def where_units_went(session: AsyncSession, agreement_id: UUID) -> Jurisdiction | None:
    """Where the units of an agreement went when it was offered; None = only the holder's country is known."""
    raw = await fetch_value(
        session,
        "SELECT (detail -> 'units_at')::text FROM agreement_event WHERE subject_id = $1 AND kind = 'offered' "
        "ORDER BY id LIMIT 1",
        agreement_id,
    )
    at = json.loads(raw) if raw else None
    return Jurisdiction(at["country"], at["subdivision"]) if at else None


async def where_units_are(session: AsyncSession, agreement_id: UUID) -> tuple[Jurisdiction, ...]:
    """The places in which the holder keeps units of an agreement now: it may have moved them since it was offered."""
    rows = await fetch(
        session,
        "SELECT DISTINCT s.country, s.region FROM position p JOIN agreement a ON a.id = p.agreement_id AND a.holder_id = p.holder_id "
        "JOIN site s ON s.id = p.site_id WHERE p.agreement_id = $1 AND p.quantity > 0 ORDER BY 1, 2",
        agreement_id,
    )
    return tuple(Jurisdiction(r["country"], r["region"] or None) for r in rows)


async def law_of_agreement(session: AsyncSession, agreement_id: UUID, on: date) -> tuple[Finding, ...]:
    """What the law of a day says about an agreement as it was offered. Raises ``agreement.not_found``."""
    row = await fetch_one(
        session,
        "SELECT a.clause, a.version, a.terms::text AS terms, a.further::text AS further, m.country AS maker, h.country AS holder FROM agreement a JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id WHERE a.id = $1",
        agreement_id,
    )
    if row is None:
        raise missing("agreement.not_found", "No such agreement.")
    units_at = await where_units_went(session, agreement_id)
    clauses = (parse_terms(row["clause"], row["version"], json.loads(row["terms"])), *read_further(row["further"]))
    places = places_of(row["holder"], units_at)
    return check_clauses(rules(), clauses, Jurisdiction(row["maker"]), places, every_holder=True, on=on)

"""What a posting would be to the seller's books, and what the law says about its terms, before anybody has bought."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.books import Books, NamedLine, Sold, book_line
from marketplace.agreements.law import Finding, Jurisdiction, check_clauses
from marketplace.agreements.queries import rules
from marketplace.agreements.terms import Terms
from marketplace.kit.money import Money
from marketplace.listings.queries.offers import ListingRow
from marketplace.parties.queries import Assumptions, assumptions, countries

FEW = 50
"""Lines that are reckoned at once."""


async def law_of_terms(
    session: AsyncSession, company_id: UUID, clauses: Sequence[Terms], partners: Sequence[UUID] | None, on: date
) -> tuple[Finding, ...]:
    """What the law of a day says about clauses that a company offers to named ``partners`` (every one must be able to sign), or, where
    it is None, to all (any one of them may buy). Only countries are known: the law is asked again when an order is
    accepted. One statement."""
    own, others = await countries(session, company_id, partners)
    holders = [Jurisdiction(country) for country in others]
    return check_clauses(rules(), clauses, Jurisdiction(own), holders, every_holder=partners is not None, on=on)


async def books_of_lines(
    session: AsyncSession, company_id: UUID, clauses: Sequence[Terms], lines: Sequence[ListingRow], today: date
) -> Books:
    """The books of the lines of a posting as if all of each were sold today. One statement."""
    known = await assumptions(session, company_id)
    # A price that changes monthly has hundreds of dates a line: many lines are reckoned beside the event loop.
    if len(lines) > FEW:
        return await asyncio.to_thread(_reckon, clauses, lines, today, known)
    return _reckon(clauses, lines, today, known)


def _reckon(clauses: Sequence[Terms], lines: Sequence[ListingRow], today: date, known: Assumptions) -> Books:
    named = []
    for x in lines:
        if x.quantity:
            sold = Sold(x.quantity, Money(x.unit_price, x.currency), x.minimum_to_keep)
            reckoned = book_line(clauses[0], sold, today, known.rate_bp, clauses[1:], market_bp=known.market_bp)
            named.append(NamedLine(x.part_id, x.part_number, x.uom, reckoned))
    return Books(known.rate_bp, tuple(named))

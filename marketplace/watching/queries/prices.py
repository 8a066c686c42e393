"""What units cost that are called today, where the clause's price follows something beside the price paid, and rates between currencies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.advising.rights import Call, priced
from marketplace.agreements.circumstances import ORDINARY
from marketplace.agreements.queries.circumstances import Asked, circumstances
from marketplace.agreements.terms import parse_terms
from marketplace.kit.money import Money
from marketplace.sourcing.queries import newest_rates
from marketplace.sourcing.rates import Rate, usable

Pair = tuple[UUID, UUID]


async def following_prices(
    session: AsyncSession, wanted: Mapping[Pair, tuple[Call, Money]], today: date
) -> dict[Pair, float]:
    """By (agreement, part) the price of a call today, from indexes, lists, costs and market values as they are known; ``wanted``: how it
    is priced, and what the holder paid. As many statements for many as for one."""
    if not wanted:
        return {}
    asked = {
        pair: Asked((parse_terms(call.clause, call.version, call.terms),), paid.currency, "UTC")
        for pair, (call, paid) in wanted.items()
    }
    known = await circumstances(session, asked)
    return {pair: priced(call, paid, known.get(pair, ORDINARY), "UTC", today) for pair, (call, paid) in wanted.items()}


async def rates_into(session: AsyncSession, company_id: UUID, into: str, today: date) -> dict[str, Rate]:
    """The company's own rates that are new enough to reckon with, by the currency that they lead from."""
    return usable(await newest_rates(session, company_id, into, today), today)

"""Several orders at once, as a covered list needs them: one for each posting, all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for
from marketplace.kit.errors import invalid
from marketplace.listings import queries as listings
from marketplace.orders.service.placing import MAX_LINES, Wanted, place
from marketplace.parties.actor import Actor

MOST_ORDERS = 60


async def place_several(
    session: WriteSession,
    actor: Actor,
    *,
    lines: Sequence[Wanted],
    po_number: str,
    ship_to_site_id: UUID,
    requested_on: date | None,
    hold_hours: int,
    now: datetime,
) -> list[UUID]:
    """Orders these lines, whatever postings they are from: one order a posting under the same purchase order number. If one line cannot
    be had at the price shown, nothing is ordered. Raises ``order.too_many`` and what ``place`` raises.

    Order of locks as for one order: the markets and listings of all sellers first, then lots.
    """
    if not lines or len(lines) > MAX_LINES:
        raise invalid("order.empty", f"An order has 1 to {MAX_LINES} lines.", field="lines")
    seen = {x.id: x for x in await listings.listings(session, [x.listing_id for x in lines])}
    sellers: dict[UUID, list[UUID]] = {}
    groups: dict[UUID, list[Wanted]] = {}
    for line in lines:
        row = seen[line.listing_id]
        sellers.setdefault(row.seller_id, []).append(row.id)
        groups.setdefault(row.release_id, []).append(line)
    if len(groups) > MOST_ORDERS:
        raise invalid(
            "order.too_many", f"These lines are from {len(groups)} postings: order from at most {MOST_ORDERS} at once. Nothing was ordered.",
            field="lines",
        )  # fmt: skip
    for seller in sorted(sellers):
        if seller != actor.company_id:
            async with acting_for(session, seller):
                await listings.market_for_share(session, seller)
                await listings.listings_for_update(session, sellers[seller])
    return [
        await place(
            session, actor, lines=groups[release], po_number=po_number, ship_to_site_id=ship_to_site_id, requested_on=requested_on,
            hold_hours=hold_hours, now=now,
        )
        for release in sorted(groups)
    ]  # fmt: skip

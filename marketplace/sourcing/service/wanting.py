"""Want lists: kept searches on offers that tell what is new or cheaper, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for, execute, fetch, fetch_one, fetch_value
from marketplace.kit.errors import invalid
from marketplace.listings import queries as listings
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.parts.numbers import parse_list
from marketplace.sourcing import queries
from marketplace.sourcing.wants import MOST_LOOKED, News, OnOffer, news, summary, told_lines


async def set_notify(session: WriteSession, actor: Actor, search_id: UUID, *, on: bool, now: datetime) -> None:
    """Whether a search tells what is new. What is on offer already when it begins counts as told: the page shows it. Raises
    ``search.not_found``, ``search.kind``."""
    row = await queries.saved_search(session, actor, search_id)
    if row.kind != "offers":
        raise invalid("search.kind", "Only a search for offers can tell you what is new.")
    await fetch_value(
        session,
        "UPDATE saved_search SET notify = $4, looked_at = $5 WHERE company_id = $1 AND user_id = $2 AND id = $3 RETURNING id",
        actor.company_id, actor.user_id, search_id, on, now,
    )  # fmt: skip
    if on:
        await _keep(session, actor.company_id, search_id, await _look(session, actor.company_id, search_id), now)
    else:
        await execute(session, "DELETE FROM told_offer WHERE search_id = $1", search_id)


async def look(session: WriteSession, search_id: UUID, now: datetime) -> int:
    """Looks for one search, as its company sees offers, and tells its person what is new or cheaper. Returns how many offers that is;
    asked again it tells nothing twice. Clock only."""
    row = await queries.want_for_update(session, search_id)
    if row is None:
        return 0
    company, email, name = row["company_id"], row["email"], row["name"]
    async with acting_for(session, company):
        found = await _look(session, company, search_id)
        await _keep(session, company, search_id, found, now)
    await execute(session, "UPDATE saved_search SET looked_at = $2 WHERE id = $1", search_id, now)
    if found:
        await _tell(session, company, search_id, email, name, found)
    return len(found)


async def _look(session: WriteSession, company: UUID, search_id: UUID) -> list[News]:
    row = await fetch_one(session, queries.WANT, search_id)
    if row is None:
        return []
    near = None if row["lat"] is None or row["lon"] is None else (row["lat"], row["lon"])
    wanted = queries.wanted_of(queries.filters_of(row["filters"]), near)
    numbers = str(row["numbers"])
    if numbers:
        # Only what has exactly the number: a want list must not tell of parts that are merely like it.
        found = await parts.find_exact(session, [a.norm for a in parse_list(numbers)])
        if found:
            wanted = replace(wanted, part_ids=tuple(sorted(found)))
        elif "\n" in numbers or any(c.isdigit() for c in numbers):
            return []
        else:
            wanted = replace(wanted, words=numbers)
    offers = await listings.browse(session, wanted, sort="price", limit=MOST_LOOKED)
    told = {
        r["listing_id"]: Decimal(r["unit_price"])
        for r in await fetch(
            session, "SELECT listing_id, unit_price FROM told_offer WHERE search_id = $1 AND listing_id = ANY($2::uuid[])",
            search_id, [o.id for o in offers],
        )
    }  # fmt: skip
    there = [
        OnOffer(
            o.id, o.unit_price, o.currency, f"{o.part_number}, {o.description}, {o.available:,} {o.uom}", f"from {o.seller}, {o.place}"
        )
        for o in offers
        if o.seller_id != company
    ]  # fmt: skip
    return news(there, told)


async def _keep(session: WriteSession, company: UUID, search_id: UUID, found: list[News], now: datetime) -> None:
    await execute(
        session,
        "INSERT INTO told_offer AS t (search_id, listing_id, company_id, unit_price, told_at) "
        "SELECT $1, x.id, $2, x.price, $5 FROM unnest($3::uuid[], $4::numeric[]) AS x (id, price) "
        "ON CONFLICT (search_id, listing_id) DO UPDATE SET unit_price = excluded.unit_price, told_at = excluded.told_at",
        search_id, company, [n.offer.listing_id for n in found], [n.offer.unit_price for n in found], now,
    )  # fmt: skip


async def _tell(
    session: WriteSession, company: UUID, search_id: UUID, email: str, name: str, found: list[News]
) -> None:
    await emit(
        session, "search.found", "saved_search", search_id, [company],
        {
            "search_id": str(search_id), "offers": [str(n.offer.listing_id) for n in found],
            "mail": {
                "to": [email], "subject": f"{name}: {summary(found)}",
                "text": f"Your want list “{name}” found:\n\n" + told_lines(found), "link": f"/searches/{search_id}",
            },
        },
    )  # fmt: skip

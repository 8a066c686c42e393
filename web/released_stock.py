"""From chosen stock lines to lines of a surplus posting."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from marketplace.agreements.terms import Terms
from marketplace.db.session import ReadSession
from marketplace.kit.errors import conflict, invalid
from marketplace.listings import queries
from marketplace.listings.service import NewLine
from marketplace.parties.actor import Actor
from web.session import uuid_of


def stock_key(row: queries.Releasable) -> str:
    """A stock line as the value of a check box."""
    return f"{row.part_id}|{row.site_id}|{row.condition}"


async def lines_from_stock(
    session: ReadSession, actor: Actor, keys: Sequence[str], terms: Terms, percent: int
) -> list[NewLine]:
    """New lines for chosen stock: all that is free, at ``percent`` of the list price (of the unit cost where there is
    none), the terms' minimum to keep. Raises ``release.stock`` for stock that is not there or not free any more."""
    wanted: dict[tuple[UUID, UUID, str], None] = {}
    for key in keys:
        part, _, rest = key.partition("|")
        site, _, condition = rest.partition("|")
        part_id, site_id = uuid_of(part), uuid_of(site)
        if part_id is None or site_id is None:
            raise invalid("release.stock", "Choose stock lines from the list.")
        wanted[part_id, site_id, condition] = None
    found = await queries.releasable(
        session,
        actor.company_id,
        queries.StockFilter(part_ids=sorted({part for part, _, _ in wanted})),
        limit=5000,
    )
    by_key = {(row.part_id, row.site_id, row.condition): row for row in found}
    lines = []
    for key3 in wanted:
        row = by_key.get(key3)
        if row is None or row.left <= 0:
            what = row.part_number if row else "One of the stock lines"
            raise conflict(
                "release.stock", f"{what} is not free any more: it was reserved, listed or moved. Nothing was added."
            )
        base = row.list_price if row.list_price is not None else row.unit_cost or Decimal(0)
        lines.append(
            NewLine(
                row.part_id,
                row.site_id,
                row.condition,
                row.left,
                (base * percent / 100).quantize(Decimal("0.01")),
                minimum_to_keep=min(terms.minimum_to_keep, row.left),
            )
        )
    return lines

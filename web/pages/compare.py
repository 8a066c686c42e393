"""Up to four offers side by side: what they cost, how they are sold, and every term of their clauses in plain words."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from marketplace.agreements.changes import side_by_side
from marketplace.agreements.title import price_due
from marketplace.kit.money import Money
from marketplace.listings import queries
from web.found import Worded
from web.session import Visit, uuid_of, visits

router = APIRouter(include_in_schema=False)
ReadsListings = Annotated[Visit, visits("listing.read")]
MOST: Final = 4


@router.get("/compare")
async def compare(visit: ReadsListings) -> Response:
    """The offers named in the address, as if each were bought today in the quantity asked for."""
    asked = [i for text in visit.request.query_params.getlist("id") if (i := uuid_of(text))]
    ids = list(dict.fromkeys(asked))
    if not ids:
        return RedirectResponse("/find", 303)
    found = await queries.seen(visit.session, ids[:MOST], near=visit.near)
    wished = visit.asked("quantity")
    quantity = int(wished) if wished.isdecimal() and wished.isascii() and 0 < len(wished) < 8 and int(wished) else 1
    worded = Worded(visit.today, visit.zone, visit.actor.company_id)
    columns = [
        (worded.offer(row), worded.clause(row, quantity), price_due(worded.terms(row), row.payment_days))
        for row in found
    ]
    return visit.show(
        "find/compare.html",
        columns=columns,
        quantity=quantity,
        terms=side_by_side([worded.terms(row) for row in found]),
        total=lambda row: Money(row.unit_price * quantity, row.currency),
        beyond=max(len(ids) - MOST, 0),
        gone=len(ids[:MOST]) - len(found),
        without=lambda row: "/compare?" + "&".join([f"id={r.id}" for r in found if r.id != row.id] + [f"quantity={quantity}"]),
        ids=[row.id for row in found],
    )  # fmt: skip

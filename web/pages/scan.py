"""Scan or type: what is on a unit's plate or label leads to the unit, or to where units of its part are."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.datastructures import URL
from starlette.responses import RedirectResponse, Response

from marketplace.ledger import queries as ledger
from marketplace.parts import queries as parts
from marketplace.parts.numbers import MAX_LENGTH, Match, parse_list
from web.session import SignedIn

router = APIRouter(prefix="/scan", include_in_schema=False)


@router.get("")
async def scan(visit: SignedIn) -> Response:
    """``?q=`` what was read. A serial opens the unit; a part number shows where units are, or what is on offer; what
    is neither is said, and nothing is guessed."""
    q = visit.asked("q")[:MAX_LENGTH]
    if not q:
        return visit.show("scan/scan.html", q="", serials=[], unknown=False)
    serials = await ledger.by_serial(visit.session, q) if visit.actor.may("stock.read") else []
    if len(serials) == 1:
        return RedirectResponse(f"/units/{serials[0].lot_id}", status_code=303)
    asked = parse_list(q)[:1]
    hits = (await parts.find(visit.session, asked)).hits.get(asked[0].norm, ()) if asked else ()
    if not serials and hits and hits[0].step is Match.EXACT:
        sources = visit.actor.may("sourcing.read") and (visit.actor.is_manufacturer or bool(visit.actor.sources))
        target = URL("/requests" if sources else "/find").include_query_params(q=q)
        return RedirectResponse(str(target), status_code=303)
    return visit.show("scan/scan.html", q=q, serials=serials, unknown=not serials)

"""Scan or type: what is on a unit's plate or label leads to the unit, or to where units of its part are."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.datastructures import URL
from starlette.responses import RedirectResponse, Response

from marketplace.kit.errors import DomainError
from marketplace.ledger import queries as ledger
from marketplace.parts.labels import MOST, Kind, read
from marketplace.sourcing import queries as sourcing
from web.forms import Form
from web.session import SignedIn, Visit

router = APIRouter(prefix="/scan", include_in_schema=False)


@router.get("")
async def scan(visit: SignedIn) -> Response:
    """``?q=`` what was read. A serial opens the unit; a part number shows where units are, or what is on offer; what
    is neither is said, and nothing is guessed."""
    q = visit.asked("q")[: MOST + 1]
    if not q:
        return visit.show("scan/scan.html", q="", form=Form())
    try:
        label = read(q)
    except DomainError as error:
        return visit.show("scan/scan.html", q=q[:80], form=Form.rejected({"q": q[:80]}, error), status_code=422)
    found = await ledger.scanned(visit.session, label, units=visit.actor.may("stock.read"))
    if len(found.units) == 1:
        unit = found.units[0]
        return await _arrived(visit, q, unit) or RedirectResponse(f"/units/{unit.lot_id}", status_code=303)
    sources = visit.actor.may("sourcing.read") and (visit.actor.is_manufacturer or bool(visit.actor.sources))
    where = URL("/requests" if sources else "/find")
    if not found.units and found.parts and (label.kind is Kind.PLAIN or not label.serial):
        return RedirectResponse(str(where.include_query_params(q=found.parts[0].number)), status_code=303)
    return visit.show(
        "scan/scan.html", q=q, form=Form(), found=found, named=label.kind is not Kind.PLAIN,
        where=lambda number: str(where.include_query_params(q=number)), sources=sources,
    )  # fmt: skip


async def _arrived(visit: Visit, q: str, unit: ledger.SerialHit) -> Response | None:
    """A unit that is on its way to whoever scans it has most likely just arrived: one tap receives it. None for any other."""
    if not visit.actor.may("call.receive"):
        return None
    call_id = await sourcing.arriving(visit.session, unit.lot_id)
    if call_id is None:
        return None
    call = await sourcing.call(visit.session, call_id)
    if visit.actor.company_id not in {call.maker_id, call.company_id}:
        return None
    return visit.show("scan/scan.html", q=q, form=Form(), arrived=call, unit=unit)

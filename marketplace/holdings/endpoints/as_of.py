"""JSON routes of the past: where units sat at a date as known at a date, and what changed between two."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.db.requests import PageSecret, Reading, database
from marketplace.db.session import Tenant
from marketplace.holdings import queries
from marketplace.holdings.permissions import ReadsStock
from marketplace.holdings.schemas_past import ChangeOut, PlaceChangeOut, PlaceThenOut, UnitThenOut
from marketplace.kit.errors import invalid
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import Moment, PageOut
from marketplace.ledger import queries as ledger
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.ledger.queries import AsOf, Scope
from marketplace.parties.permissions import Now

router = APIRouter(prefix="/holdings", tags=["holdings"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
At = Annotated[Moment | None, Query(description="What had happened by then; now where it is left out.")]
Known = Annotated[
    Moment | None, Query(description="As far as it was known then; all that is known now where it is left out.")
]
BEGINNING = datetime.fromisoformat(queries.BEGINNING)


def _scope(
    part_id: UUID | None = None,
    holder_id: Annotated[UUID | None, Query(description="The company that held the units.")] = None,
    agreement_id: Annotated[UUID | None, Query(description="An agreement of your company.")] = None,
) -> Scope:
    return Scope(part_id=part_id, holder_id=holder_id, agreement_id=agreement_id)


def _then(now: Now, at: At = None, known_at: Known = None) -> AsOf:
    return AsOf(at or now, known_at or now)


Then = Annotated[AsOf, Depends(_then)]


# One dependency for both: of two, each would name what is wrong with the times that they share.
def _between(
    now: Now,
    at: At = None,
    known_at: Known = None,
    since: Annotated[
        Moment | None, Query(description="What had happened by then is before; the beginning where it is left out.")
    ] = None,
    since_known_at: Annotated[
        Moment | None, Query(description="As far as it was known then; as `known_at` where it is left out.")
    ] = None,
) -> tuple[AsOf, AsOf]:
    until = _then(now, at, known_at)
    return AsOf(since or BEGINNING, since_known_at or until.known_at), until


Wanted = Annotated[Scope, Depends(_scope)]
Between = Annotated[tuple[AsOf, AsOf], Depends(_between)]


@router.get("/as-of", summary="Where every unit sat at a time")
async def as_of(
    session: Reading,
    actor: ReadsStock,
    secret: PageSecret,
    wanted: Wanted,
    then: Then,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[UnitThenOut]:
    """Line by line, as known at a time: of a part, with a holder, under an agreement, of several of these at once, or of
    all that you may see."""
    page = await queries.units_then(session, actor, then, wanted, after=after, limit=limit, secret=secret)
    return PageOut(items=[UnitThenOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/as-of.csv", summary="Where every unit sat at a time, as CSV", response_class=StreamingResponse)
async def export(request: Request, actor: ReadsStock, wanted: Wanted, then: Then) -> StreamingResponse:
    """All lines in one file, streamed; of all that you may see they come in no order."""
    ledger.check_scope(actor, wanted)
    tenant = Tenant(actor.company_id, actor.sources)
    return _file("as-of", ledger.as_of_file(database(request), tenant, actor, then, wanted))


@router.get("/as-of/places", summary="How many units were at each place at a time")
async def places(
    session: Reading,
    actor: ReadsStock,
    secret: PageSecret,
    wanted: Wanted,
    then: Then,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[PlaceThenOut]:
    """The same by part and place: owner, holder, site, condition and agreement."""
    page = await queries.places_then(session, actor, then, wanted, after=after, limit=limit, secret=secret)
    return PageOut(items=[PlaceThenOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/as-of/difference", summary="What changed between two times")
async def difference(
    session: Reading,
    actor: ReadsStock,
    secret: PageSecret,
    wanted: Wanted,
    between: Between,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[PlaceChangeOut]:
    """By part and place: how many there were, what came and went, and how many there are. With the same time twice and
    another `since_known_at`: what became known later about that time."""
    page = await queries.places_changed(session, actor, *between, wanted, after=after, limit=limit, secret=secret)
    return PageOut(items=[PlaceChangeOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/as-of/difference.csv", summary="What changed between two times, as CSV", response_class=StreamingResponse)
async def difference_export(
    request: Request, actor: ReadsStock, secret: PageSecret, wanted: Wanted, between: Between
) -> StreamingResponse:
    """The whole list, streamed."""
    ledger.check_scope(actor, wanted)

    async def pages() -> AsyncIterator[bytes]:
        yield csv_start(DIFFERENCE_HEADER).encode()
        after: str | None = None
        while True:
            async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
                page = await queries.places_changed(
                    session, actor, *between, wanted, after=after, limit=MAX_PAGE, secret=secret
                )
            yield csv_rows(difference_cells(r) for r in page.items).encode()
            after = page.next
            if after is None:
                return

    return _file("as-of-difference", pages())


@router.get("/as-of/changes", summary="The stock transactions between two times")
async def changes(
    session: Reading,
    actor: ReadsStock,
    secret: PageSecret,
    wanted: Wanted,
    between: Between,
    place_lot_id: Annotated[
        UUID | None, Query(description="`lot_id` of a row of the difference: only what came to or left that place.")
    ] = None,
    place_position_id: Annotated[int | None, Query(description="`position_id` of the same row.", ge=1)] = None,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[ChangeOut]:
    """What explains a difference, as it happened. `counts` is -1 for what only the earlier of the two has."""
    if (place_lot_id is None) != (place_position_id is None):
        raise invalid(
            "as_of.place",
            "A place is named by both place_lot_id and place_position_id, as a row of the difference gives them. "
            "Send both, or neither for all places.",
            field="place_position_id" if place_position_id is None else "place_lot_id",
        )
    place = (place_lot_id, place_position_id) if place_lot_id and place_position_id else None
    page = await queries.what_changed(
        session, actor, *between, wanted, place=place, after=after, limit=limit, secret=secret
    )
    return PageOut(items=[ChangeOut.of(r) for r in page.items], next=page.next)


def _file(name: str, pieces: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)


DIFFERENCE_HEADER = (
    "Part number", "Description", "Unit", "Held by", "Place", "Condition", "Owned by", "Agreement", "Before", "Came", "Registered",
    "Found", "Taken out of machines", "Left", "Used up", "Fitted", "Scrapped", "Lost", "Counted", "After",
)  # fmt: skip


def difference_cells(r: ledger.PlaceChange) -> tuple[object, ...]:
    """A row of a difference under ``DIFFERENCE_HEADER``."""
    f = r.flow
    return (
        r.part_number, r.description, r.uom, r.holder, r.site or "in transit", CONDITION_WORDS[r.condition], r.owner,
        r.agreement_id, f.before, f.came, f.registered, f.found, f.removed, f.left, f.used, f.fitted, f.scrapped, f.lost,
        f.counted, f.after,
    )  # fmt: skip

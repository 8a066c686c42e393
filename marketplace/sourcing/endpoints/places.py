"""JSON routes of sourcing: where units are, what a search can be narrowed by, and the same as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.requests import Reading, database
from marketplace.db.session import Tenant, plan_once
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Asked, parse_list, unknown
from marketplace.sourcing import queries
from marketplace.sourcing.permissions import ReadsSourcing
from marketplace.sourcing.schemas.places import (
    PLACES_HEADER,
    FacetsOut,
    LocatedNumber,
    LocatedPart,
    LocateIn,
    places_rows,
)

IN_FILE = 20
"""Numbers whose places are read at a time for a file: all the places of each."""

sourcing = APIRouter(prefix="/sourcing", tags=["sourcing"])


async def _numbers(session: AsyncSession, asked: LocateIn) -> tuple[Asked, ...]:
    return await parts.told_apart(session, parse_list(asked.numbers, field="numbers"), field="numbers")


async def _look(
    session: AsyncSession,
    actor: Actor,
    asked: LocateIn,
    numbers: Sequence[Asked],
    now: datetime,
    *,
    in_full: bool = False,
    alone: bool | None = None,
) -> queries.LookedUp:
    near, filters = asked.near_point(), asked.filters.filters()
    _, destination = await queries.destination_of(session, actor, asked.site_id)
    return await queries.look_up(
        session, actor, numbers, destination=destination, urgency=asked.urgency, now=now, filters=filters, near=near,
        notice=asked.notice_id, explain=asked.explain, in_full=in_full, alone=alone,
    )  # fmt: skip


@sourcing.post("/locate", summary="Where are units of these numbers, and which can be ordered back")
async def locate(session: Reading, actor: ReadsSourcing, asked: LocateIn, now: Now) -> list[LocatedNumber]:
    """Own stock, units that can be ordered back, and units that cannot, each with the reason. A number alone is answered
    with all its places; of several at once only the nearest of each part are looked at: twelve of each where 500 are
    asked for, hundreds of each where a few are. ``farther`` counts the others. Parts that replace the one asked for, or may
    stand in for it, are told beside it where there are units of them. Also takes a unit's serial, asked for alone."""
    numbers = await _numbers(session, asked)
    if len(numbers) == 1:
        await plan_once(session)
    looked = await _look(session, actor, asked, numbers, now)
    return [
        LocatedNumber(
            asked=answer.written, step=answer.step, words=None if answer.found else unknown(answer.asked.written),
            serial=answer.serial is not None, more=answer.more, parts=[LocatedPart.of(p) for p in answer.found],
        )
        for answer in looked.answers
    ]  # fmt: skip


@sourcing.post("/locate/facets", summary="What a search for units can be narrowed by")
async def facets(session: Reading, actor: ReadsSourcing, asked: LocateIn, now: Now) -> FacetsOut:
    """By country, region, holder, condition, clause, whose they are, whether and why not they can be ordered, and how soon they
    are there: how many places and units each choice leaves, of those that ``locate`` looks at. A holder that is named only once
    an order is sent is no choice."""
    looked = await _look(session, actor, asked, await _numbers(session, asked), now)
    return FacetsOut.told(looked.facets(), looked.farther)


@sourcing.post("/locate.csv", summary="Where are units of these numbers, as CSV", response_class=StreamingResponse)
async def locate_file(
    request: Request, session: Reading, actor: ReadsSourcing, asked: LocateIn, now: Now
) -> StreamingResponse:
    """One row for each place, of several numbers too: none is left out for being far away."""
    numbers = await _numbers(session, asked)
    # What is wrong with the question is said before the file begins; one number tells.
    alone = len(numbers) == 1
    await _look(session, actor, asked, numbers[:1], now)

    async def pieces() -> AsyncIterator[str]:
        yield csv_start(PLACES_HEADER)
        for start in range(0, len(numbers), IN_FILE):
            async with database(request).read(Tenant(actor.company_id, actor.sources)) as reading:
                some = await _look(
                    reading, actor, asked, numbers[start : start + IN_FILE], now, in_full=True, alone=alone
                )
            yield csv_rows(places_rows(some.answers))

    headers = {"content-disposition": f'attachment; filename="where-units-are-{now:%Y-%m-%d}.csv"'}
    return StreamingResponse(pieces(), media_type="text/csv; charset=utf-8", headers=headers)

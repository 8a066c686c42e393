"""JSON routes of the watch over coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.parts.numbers import normalise
from marketplace.planning.pools import YEARS
from marketplace.watching import queries, service, telling
from marketplace.watching.permissions import ReadsWatch, WritesWatch
from marketplace.watching.queries import PartRow, RowFilter
from marketplace.watching.reckoning import KINDS, Level, Setting
from marketplace.watching.schemas import (
    CalledOut,
    CallIn,
    CoverageOut,
    LevelsIn,
    LevelWord,
    SettingIn,
    WatchHolderOut,
    WatchRowOut,
    WatchRunOut,
    Word,
    Years,
)

router = APIRouter(prefix="/watch", tags=["coverage watch"])


def known(value: float) -> float | None:
    """A number, or None where it is not known."""
    return value if math.isfinite(value) else None


def words_of(row: PartRow, setting: Mapping[str, Any]) -> str:
    """What to do about a part, in one sentence."""
    return telling.proposal(
        units=row.call_units, pool=row.firm_pool, sure=row.sure, after=row.call_sure, years=int(setting["horizon"]), least=row.least,
        lapsing=row.lapsing, lapses_in=row.lapses_in, flags=row.flags,
    )  # fmt: skip


def row_out(row: PartRow, setting: Mapping[str, Any]) -> WatchRowOut:
    """A row on the wire."""
    return WatchRowOut(
        part_id=row.part_id, part_number=row.part_number, description=row.description, found=cast("list[Word]", telling.kinds(row.flags)),
        level=cast("LevelWord", Level(row.level).name.lower()), own=row.own, coming=row.coming, callable=row.pool, firm=row.firm_pool, floor=row.floor,
        holders=row.holders, lapsing=row.lapsing, rate=row.rate, use_rate=known(row.use_rate), least=known(row.least), missing=row.unmet,
        at_stake=row.money, call_units=row.call_units, call_cost=known(row.call_cost), rests_on=telling.notes(row.notes), call_sure=row.call_sure, call_missing=row.call_unmet,
        requisition_id=row.requisition_id, words=words_of(row, setting),
        coverage=[
            CoverageOut(years=y, sure=getattr(row, f"cover_{y}"), firm=getattr(row, f"firm_{y}"), one_fails=getattr(row, f"alone_{y}")) for y in YEARS
        ],
    )  # fmt: skip


@router.post("", status_code=201, summary="Have the watch look now")
async def look(session: Writing, actor: WritesWatch, now: Now, key: IdempotencyKey = None) -> WatchRunOut:
    """It looks every night by itself. The worker does it: ask again until ``state`` is done or failed."""

    async def act() -> WatchRunOut:
        made = await service.start_watch(session, actor, now)
        return WatchRunOut.model_validate(await queries.run(session, actor.company_id, made))

    answer = await once(session, actor, key, "watch.look", {}, act)
    return WatchRunOut.model_validate(answer.content)


@router.get("", summary="Your runs of the watch, newest first")
async def runs(
    session: Reading,
    actor: ReadsWatch,
    secret: PageSecret,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[WatchRunOut]:
    """Paged by ``after``."""
    mark = read_bookmark(after, secret, UUID)
    found = await queries.runs(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(found, limit, lambda r: [r.id], secret)
    return PageOut(items=[WatchRunOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/setting", summary="What the watch looks for")
async def setting(session: Reading, actor: ReadsWatch) -> SettingIn:
    """The usual values where nobody has said otherwise."""
    found = await queries.setting_of(session, actor.company_id)
    ordinary, important, vital = found.least
    return SettingIn(
        horizon=cast("Years", found.horizon), ordinary=ordinary, important=important, vital=vital, lapse_months=found.lapse_months, missing_times=found.missing_times
    )  # fmt: skip


@router.put("/setting", summary="Say what the watch looks for")
async def set_setting(
    session: Writing, actor: WritesWatch, now: Now, given: SettingIn, key: IdempotencyKey = None
) -> Done:
    """Counts from the next run on."""

    async def act() -> None:
        wanted = Setting(
            given.horizon, (given.ordinary, given.important, given.vital), given.lapse_months, given.missing_times
        )
        await service.set_watch(session, actor, wanted, now)

    return await once_done(session, actor, key, "watch.setting", given.model_dump(), act)


@router.post("/levels", summary="Say how much hangs on parts")
async def levels(session: Writing, actor: WritesWatch, now: Now, given: LevelsIn, key: IdempotencyKey = None) -> Done:
    """All of them or none; counts from the next run on."""

    async def act() -> None:
        await service.state_levels(session, actor, given.part_ids, Level[given.level.upper()], now)

    return await once_done(session, actor, key, "watch.levels", given.model_dump(mode="json"), act)


@router.get("/{run_id}", summary="One run: whether it is done, and what it found")
async def one_run(session: Reading, actor: ReadsWatch, run_id: UUID) -> WatchRunOut:
    """Ask again while ``state`` is 'waiting' or 'running'."""
    return WatchRunOut.model_validate(await queries.run(session, actor.company_id, run_id))


@router.get("/{run_id}/rows", summary="What it found, most money at stake first")
async def rows(
    session: Reading,
    actor: ReadsWatch,
    secret: PageSecret,
    run_id: UUID,
    found: Word | None = None,
    level: LevelWord | None = None,
    to_call: bool = False,
    everything: Annotated[bool, Query(description="Also parts of which nothing was found.")] = False,
    number: Annotated[str | None, Query(max_length=80, description="What the part number begins with.")] = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[WatchRowOut]:
    """Paged by ``after``. Rows of the two newest runs are kept."""
    place = read_bookmark(after, secret, float, UUID)
    run = await queries.run(session, actor.company_id, run_id)
    wanted = RowFilter(
        found=int(KINDS[found]) if found else 0, level=int(Level[level.upper()]) if level else None, to_call=to_call, everything=everything,
        number=normalise(number) if number else None,
    )  # fmt: skip
    some = await queries.rows(
        session, actor.company_id, run_id, wanted, after=(place[0], place[1]) if place else None, limit=limit + 1
    )
    page = cut(some, limit, lambda r: [repr(r.money), r.part_id], secret)
    kept = run.setting or Setting().as_kept()
    return PageOut(items=[row_out(r, kept) for r in page.items], next=page.next)


@router.get("/{run_id}/holders", summary="How fast holders use units up, as the ledger tells")
async def holders(session: Reading, actor: ReadsWatch, run_id: UUID) -> list[WatchHolderOut]:
    """Those first that are faster than their clauses led to expect; at most 200."""
    await queries.run(session, actor.company_id, run_id)
    return [WatchHolderOut.model_validate(h) for h in await queries.holders(session, actor.company_id, run_id)]


@router.post("/{run_id}/parts/{part_id}/request", status_code=201, summary="Make a parts request of a proposal")
async def request_call(
    session: Writing,
    actor: WritesWatch,
    now: Now,
    run_id: UUID,
    part_id: UUID,
    given: CallIn,
    key: IdempotencyKey = None,
) -> CalledOut:
    """Once a run and part, of the newest run. It is planned and ordered as any other request."""
    actor.require("sourcing.request")

    async def act() -> CalledOut:
        made = await service.request_call(
            session, actor, run_id, part_id, now, units=given.units, site_id=given.site_id
        )
        return CalledOut(requisition_id=made)

    answer = await once(session, actor, key, f"watch.request:{run_id}:{part_id}", given.model_dump(mode="json"), act)
    return CalledOut.model_validate(answer.content)

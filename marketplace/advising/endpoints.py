"""JSON routes of demand histories and of advice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, UploadFile

from marketplace.advising import queries, service, wording
from marketplace.advising.comparing import MOST_COMPARED
from marketplace.advising.overlay import months_of
from marketplace.advising.permissions import ReadsPlanning, WritesPlanning
from marketplace.advising.queries import AdviceRow, RowFilter
from marketplace.advising.reckoning import Kind, policy_from
from marketplace.advising.schemas import (
    LEVEL_WORDS,
    AcceptedOut,
    AcceptIn,
    AdviceRowOut,
    AdviceWord,
    ClassWord,
    ComparedOut,
    ComparisonOut,
    DecidedWord,
    DecideIn,
    DemandFileOut,
    DemandIssueOut,
    DemandUploadedOut,
    DifferenceOut,
    FrontierOut,
    HistoryOut,
    MarkWord,
    MonthOut,
    OutcomeOut,
    PointOut,
    RunIn,
    RunOut,
)
from marketplace.advising.using import From
from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.imports.endpoints import chunks_of
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.parts.numbers import normalise
from marketplace.planning.advice import Policy
from marketplace.planning.classes import DemandClass
from marketplace.settings import Settings

router = APIRouter()
demand = APIRouter(prefix="/demand", tags=["advice"])


@demand.post("", status_code=201, summary="Bring in a demand file (CSV or XLSX)")
async def upload(
    request: Request,
    session: Writing,
    actor: WritesPlanning,
    now: Now,
    file: Annotated[UploadFile, File(description="CSV or .xlsx with a header row.")],
    maker: Annotated[
        str | None,
        Form(max_length=80, description="Whose numbers it writes, by code or name; otherwise your own makers'."),
    ] = None,
) -> DemandUploadedOut:
    """Months as columns (2024-01, Jan 2024, ...) beside Part number, or a line a demand with Part number, Month and Quantity.
    Negative units are returns; an empty cell is not recorded, and 0 is none. A later file counts instead for the months that it
    names. Units that went to partners are no demand: leave them out. A file of more than 512 kB is read by the worker: ask again
    until ``step`` is no longer 'waiting'."""
    settings: Settings = request.app.state.settings
    made = await service.upload_demand(
        session, actor, chunks=chunks_of(file), file_name=file.filename or "demand", data_dir=settings.data_dir,
        limit_bytes=settings.upload_limit_bytes, maker=maker, now=now,
    )  # fmt: skip
    found = await queries.demand_file(session, actor.company_id, made.import_id)
    return DemandUploadedOut(**DemandFileOut.model_validate(found).model_dump(), repeated=made.repeated)


@demand.get("", summary="Your demand files, newest first")
async def files(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[DemandFileOut]:
    """Paged by ``after``."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.demand_files(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda d: [d.id], secret)
    return PageOut(items=[DemandFileOut.model_validate(d) for d in page.items], next=page.next)


@demand.get("/parts/{part_id}", summary="What was asked for of one part, month by month")
async def history(session: Reading, actor: ReadsPlanning, part_id: UUID) -> HistoryOut:
    """Of each month what the latest file says that says something. Empty for a part without any."""
    said = [s for _, s in await queries.said_of_parts(session, actor.company_id, [part_id])]
    months = months_of([(s.first, s.units) for s in said])
    return HistoryOut(
        part_id=part_id,
        months=[
            MonthOut(
                month=date(m // 12, m % 12 + 1, 1), units=u, import_id=said[p].import_id if p is not None else None
            )
            for m, u, p in months
        ],
    )


@demand.get("/{import_id}", summary="One demand file: what came of it")
async def one_file(session: Reading, actor: ReadsPlanning, import_id: UUID) -> DemandFileOut:
    """Ask again while ``step`` is 'waiting'."""
    return DemandFileOut.model_validate(await queries.demand_file(session, actor.company_id, import_id))


@demand.get("/{import_id}/issues", summary="What was odd in a demand file")
async def issues(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    import_id: UUID,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[DemandIssueOut]:
    """Numbers that are no part, cells that are no number, gaps, returns, outliers: nothing of it was guessed. Paged by ``after``."""
    mark = read_bookmark(after, secret, int)
    await queries.demand_file(session, actor.company_id, import_id)
    rows = await queries.demand_issues(
        session, actor.company_id, import_id, after=mark[0] if mark else 0, limit=limit + 1
    )
    page = cut(rows, limit, lambda i: [i.no], secret)
    return PageOut(items=[DemandIssueOut.model_validate(i) for i in page.items], next=page.next)


@demand.post("/{import_id}/withdraw", summary="Withdraw a demand file that was a mistake")
async def withdraw(
    session: Writing, actor: WritesPlanning, now: Now, import_id: UUID, key: IdempotencyKey = None
) -> Done:
    """What it said counts no longer, and stays on record; earlier files speak again for its months."""
    return await once_done(
        session, actor, key, f"demand.withdraw:{import_id}", {},
        lambda: service.withdraw_demand(session, actor, import_id, now),
    )  # fmt: skip


# -- advice --------------------------------------------------------------------------------------------------------

advice = APIRouter(prefix="/advice", tags=["advice"])
_FIGURES = tuple(AdviceRow.__slots__)


def rows_out(rows: Sequence[AdviceRow], policy: Policy) -> list[AdviceRowOut]:
    """Rows as the wire shows them, each with its sentence."""
    if not rows:
        return []
    found = wording.as_advice(rows, policy, _FIGURES)
    out = []
    for n, r in enumerate(rows):
        terms = found.readings[r.preset] if r.preset >= 0 else None
        out.append(
            AdviceRowOut.model_validate(
                {
                    "part_id": r.part_id, "part_number": r.part_number, "description": r.description, "unit": r.uom, "class": wording.class_word(r.kind),
                    "cost": known(r.cost), "price_needed": known(r.price_needed), "advice": Kind(r.advice).name.lower(),
                    "preset": terms.name if terms else None, "floor": min(terms.floor, r.release) if terms else 0,
                    "coverage_before": r.before, "coverage_after": r.after, "coverage_cautious": r.cautious, "hazard_from": From(r.use_from).name.lower(), "criticality": LEVEL_WORDS[r.level],
                    "marks": [m.name.lower() for m in wording.marks(r.marks) if m.name], "why": found.sentence(n),
                    **{x: getattr(r, x) for x in _SAME},
                }
            )
        )  # fmt: skip
    return out


_SAME = (
    "rate", "rate_low", "rate_high", "decline", "stock", "keep", "release", "scrap", "cash", "worth", "worth_scrapped", "worth_kept", "stake", "hazard",
    "exact", "steady",
)  # fmt: skip


def known(value: float) -> float | None:
    """A number, or None where it is not known (or not a finite one)."""
    return value if math.isfinite(value) else None


@advice.post("", status_code=201, summary="Have advice made for every part")
async def start(session: Writing, actor: WritesPlanning, now: Now, given: RunIn, key: IdempotencyKey = None) -> RunOut:
    """From the free stock of your own, the demand histories and the prices on record. The worker does it: ask again until ``state`` is
    done or failed. A scenario names the run that it is compared with, and may have limits."""

    async def act() -> RunOut:
        made = await service.start_run(
            session, actor, given.policy(), now, name=given.name, base_id=given.base_id,
            limits=given.limits.limits() if given.limits else None,
        )  # fmt: skip
        return RunOut.model_validate(await queries.run(session, actor.company_id, made))

    answer = await once(session, actor, key, "advice.start", given.model_dump(), act)
    return RunOut.model_validate(answer.content)


@advice.get("", summary="Your runs of the advisor, newest first")
async def runs(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    base_id: Annotated[UUID | None, Query(description="Only scenarios made from this run.")] = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[RunOut]:
    """Paged by ``after``."""
    mark = read_bookmark(after, secret, UUID)
    found = await queries.runs(
        session, actor.company_id, base_id=base_id, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(found, limit, lambda r: [r.id], secret)
    return PageOut(items=[RunOut.model_validate(r) for r in page.items], next=page.next)


@advice.get("/compare", summary="Two to four runs side by side")
async def compare(
    session: Reading,
    actor: ReadsPlanning,
    run: Annotated[list[UUID], Query(min_length=2, max_length=MOST_COMPARED, description="Runs that have ended.")],
) -> ComparisonOut:
    """Each with what it comes to, and how far it is from the run that it was made from."""
    found = await service.compared(session, actor.company_id, run)
    return ComparisonOut(
        runs=[ComparedOut.model_validate({"run_id": r.id, "name": r.name, "created_at": r.created_at, **f}) for r, f in found]
    )  # fmt: skip


@advice.get("/{run_id}", summary="One run: how far it is, and what it comes to")
async def one_run(session: Reading, actor: ReadsPlanning, run_id: UUID) -> RunOut:
    """Ask again while ``state`` is 'waiting' or 'running'."""
    return RunOut.model_validate(await queries.run(session, actor.company_id, run_id))


@advice.get("/{run_id}/rows", summary="What is advised, most money at stake first")
async def rows(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    run_id: UUID,
    advice: AdviceWord | None = None,
    demand_class: ClassWord | None = None,
    mark: MarkWord | None = None,
    decided: DecidedWord | None = None,
    number: Annotated[str | None, Query(max_length=80, description="What the part number begins with.")] = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[AdviceRowOut]:
    """Paged by ``after``."""
    place = read_bookmark(after, secret, float, UUID)
    run = await queries.run(session, actor.company_id, run_id)
    wanted = RowFilter(
        advice=Kind[advice.upper()] if advice else None, kind=DemandClass[demand_class.upper()] if demand_class else None,
        marks=wording.mark_named(mark) if mark else 0, number=normalise(number) if number else None,
        decided=decided,
    )  # fmt: skip
    found = await queries.rows(
        session, actor.company_id, run_id, wanted, after=(place[0], place[1]) if place else None, limit=limit + 1
    )
    page = cut(found, limit, lambda r: [repr(r.stake), r.part_id], secret)
    return PageOut(items=rows_out(page.items, policy_from(run.policy, run.totals)), next=page.next)


@advice.get("/{run_id}/frontier", summary="Money released against coverage")
async def frontier(session: Reading, actor: ReadsPlanning, run_id: UUID) -> FrontierOut:
    """From the most coverage to the most cash; a scenario is made at a point by its ``share``. Reckoned with the run."""
    run = await queries.run(session, actor.company_id, run_id)
    totals = service.frontier_of(run)
    return FrontierOut(
        currency=run.currency, cash=totals["all"]["cash"], sure=totals["sure"]["after"], points=[PointOut.model_validate(p) for p in totals["frontier"]]
    )  # fmt: skip


@advice.get("/{run_id}/differences", summary="Parts of which a scenario advises something else")
async def differences(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    run_id: UUID,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[DifferenceOut]:
    """Most cash between them first; empty for a run that is no scenario. Paged by ``after``."""
    place = read_bookmark(after, secret, float, UUID)
    run = await queries.run(session, actor.company_id, run_id)
    found = await queries.differences(session, run, after=(place[0], place[1]) if place else None, limit=limit + 1)
    page = cut(found, limit, lambda d: [repr(abs(d.apart)), d.part_id], secret)
    return PageOut(items=[DifferenceOut.model_validate(d) for d in page.items], next=page.next)


@advice.get("/{run_id}/outcomes", summary="What was advised beside what came")
async def outcomes(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    now: Now,
    run_id: UUID,
    advice: AdviceWord | None = None,
    decided: DecidedWord | None = None,
    number: Annotated[str | None, Query(max_length=80, description="What the part number begins with.")] = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[OutcomeOut]:
    """Per part: advised, decided, released, sold, called back, used up, demand and shortage since, money expected against money so far.
    Most money at stake first. Paged by ``after``."""
    place = read_bookmark(after, secret, float, UUID)
    run = await queries.run(session, actor.company_id, run_id)
    wanted = RowFilter(
        advice=Kind[advice.upper()] if advice else None, number=normalise(number) if number else None, decided=decided
    )
    found = await queries.rows(
        session, actor.company_id, run_id, wanted, after=(place[0], place[1]) if place else None, limit=limit + 1
    )
    page = cut(found, limit, lambda r: [repr(r.stake), r.part_id], secret)
    came = await service.came(session, run, page.items, now)
    return PageOut(
        items=[
            OutcomeOut.model_validate(
                {
                    "part_id": o.row.part_id, "part_number": o.row.part_number, "decided": o.word, "decided_release": o.decision.release if o.decision else None,
                    "reason": o.decision.reason if o.decision else None, "demand": o.demand, "expected_demand": o.expected, "expected_cash": o.row.cash,
                    "cash": o.came.earned, **{n: getattr(o.row, n) for n in ("keep", "release", "scrap")},
                    **{n: getattr(o.came, n) for n in ("released", "sold", "called", "used", "asked", "unmet", "paid")},
                }
            )
            for o in came
        ],
        next=page.next,
    )  # fmt: skip


@advice.get("/{run_id}/parts/{part_id}", summary="What is advised for one part")
async def one_part(session: Reading, actor: ReadsPlanning, run_id: UUID, part_id: UUID) -> AdviceRowOut:
    """With its sentence."""
    run = await queries.run(session, actor.company_id, run_id)
    row = await queries.advice_row(session, actor.company_id, run_id, part_id)
    return rows_out([row], policy_from(run.policy, run.totals))[0]


@advice.post("/{run_id}/accept", status_code=201, summary="Take advised lines into draft postings")
async def accept(
    session: Writing, actor: WritesPlanning, now: Now, run_id: UUID, given: AcceptIn, key: IdempotencyKey = None
) -> AcceptedOut:
    """A draft for each set of terms, with the advised units, minimum to keep and price. All of it or nothing; nothing is published."""
    actor.require("release.write")

    async def act() -> AcceptedOut:
        wanted = RowFilter(
            kind=DemandClass[given.demand_class.upper()] if given.demand_class else None,
            marks=wording.mark_named(given.mark) if given.mark else 0,
        )
        made = await service.accept(
            session, actor, run_id, part_ids=given.part_ids, wanted=wanted, use_class=given.use_class, now=now
        )
        return AcceptedOut(releases=list(made))

    answer = await once(session, actor, key, f"advice.accept:{run_id}", given.model_dump(mode="json"), act)
    return AcceptedOut.model_validate(answer.content)


@advice.post("/{run_id}/parts/{part_id}/decide", status_code=201, summary="Decide otherwise than advised, and say why")
async def decide(
    session: Writing,
    actor: WritesPlanning,
    now: Now,
    run_id: UUID,
    part_id: UUID,
    given: DecideIn,
    key: IdempotencyKey = None,
) -> AcceptedOut:
    """The reason is kept beside the advice, for the comparison with what happens."""
    actor.require("release.write")

    async def act() -> AcceptedOut:
        made = await service.decide_otherwise(
            session, actor, run_id, part_id, release=given.release, preset=given.preset, floor=given.floor, reason=given.reason,
            use_class=given.use_class, now=now,
        )  # fmt: skip
        return AcceptedOut(releases=[made] if made else [])

    answer = await once(session, actor, key, f"advice.decide:{run_id}:{part_id}", given.model_dump(mode="json"), act)
    return AcceptedOut.model_validate(answer.content)


router.include_router(demand)
router.include_router(advice)

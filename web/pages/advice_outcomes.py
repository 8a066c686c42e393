"""What was advised beside what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.advising import queries, service, wording
from marketplace.advising.queries import RowFilter
from marketplace.advising.reckoning import Kind
from marketplace.advising.service import Outcome
from marketplace.db.session import ReadSession
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.permissions import Now
from marketplace.parts.numbers import normalise
from web.exports import list_csv, wants_csv
from web.pages.advice import PER_PAGE, money_of
from web.session import Visit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/advice", include_in_schema=False)
Reads = Annotated[Visit, visits("planning.read")]
DECIDED: Final = {"advised": "As advised", "otherwise": "Otherwise", "none": "Not decided"}
COLUMNS: Final = (
    Column("part", "Part"), Column("advised", "Advised"), Column("decided", "Decided"), Column("released", "Posted", "end"), Column("sold", "Sold", "end"),
    Column("called", "Ordered back", "end"), Column("used", "Used by holders", "end"), Column("demand", "Asked for since", "end"), Column("unmet", "Not found", "end"),
    Column("money", "Money so far", "end"),
)  # fmt: skip
CSV: Final = (
    "Part number", "Keep", "Release", "Scrap", "Decided", "Release decided", "Reason", "Posted", "Sold", "Ordered back", "Used by holders", "Demand since", "Demand expected",
    "Units requested since", "Not found", "Cash expected", "Earned so far", "Paid for units ordered back", "Currency",
)  # fmt: skip


@router.get("/{run_id}/outcomes")
async def outcomes(visit: Reads, run_id: UUID, now: Now) -> Response:
    """Part by part: advised, decided, and what came since; most money at stake first."""
    run = await queries.run(visit.session, visit.actor.company_id, run_id)
    kinds = [(k.name.lower(), text) for k, text in wording.KINDS.items()]
    advice, decided, number = (
        visit.choice("advice", {n for n, _ in kinds}),
        visit.choice("decided", set(DECIDED)),
        visit.asked("number"),
    )
    wanted = RowFilter(
        advice=Kind[advice.upper()] if advice else None, decided=decided or None, number=(normalise(number) or None) if number else None
    )  # fmt: skip

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[Outcome], str | None]:
        key = read_bookmark(mark, visit.secret, float, UUID)
        found = await queries.rows(
            session, visit.actor.company_id, run_id, wanted, after=(key[0], key[1]) if key else None, limit=rows + 1
        )
        some = cut(found, rows, lambda r: [repr(r.stake), r.part_id], visit.secret)
        return await service.came(session, run, some.items, now), some.next

    if wants_csv(visit):
        return list_csv(visit, "advice-outcomes", CSV, page, lambda o: _csv(o, run.currency))
    rows, following = (
        await page(visit.session, visit.asked("after") or None, PER_PAGE) if run.state == "done" else ((), None)
    )
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    chips = [("advice", advice, dict(kinds)[advice])] if advice else []
    chips += [("decided", decided, DECIDED[decided])] if decided else []
    chips += [("number", number, f"Number begins with {number}")] if number else []
    return visit.show(
        "advice/outcomes.html", run=run, rows=rows, view=view, chips=chips, kinds=kinds, decided=list(DECIDED.items()), DECIDED=DECIDED, money=money_of
    )  # fmt: skip


def _csv(o: Outcome, currency: str) -> list[object]:
    d, c = o.decision, o.came
    return [
        o.row.part_number, o.row.keep, o.row.release, o.row.scrap, DECIDED[o.word], d.release if d else "", (d.reason or "") if d else "", c.released, c.sold, c.called,
        c.used, "" if o.demand is None else o.demand, round(o.expected, 3), c.asked, c.unmet, round(o.row.cash, 2), round(c.earned, 2), round(c.paid, 2), currency,
    ]  # fmt: skip

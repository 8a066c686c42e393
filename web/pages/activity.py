"""What the company's people did, newest first: for administrators and auditors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.activity import queries
from marketplace.activity.kinds import SOURCES
from marketplace.db.session import ReadSession
from marketplace.parties import queries as parties
from web.exports import list_csv, wants_csv
from web.session import Visit, visits
from web.tables import Column, TableView

router = APIRouter(include_in_schema=False)
ReadsActivity = Annotated[Visit, visits("company.activity")]
PER_PAGE: Final = 50
MOST_PEOPLE: Final = 500
COLUMNS: Final = (Column("at", "When"), Column("person", "Who"), Column("words", "What"), Column("reference", "Record"))
CSV_HEADER: Final = ("At", "Who", "Where", "What", "Record")


@router.get("/company/activity")
async def activity(visit: ReadsActivity) -> Response:
    """By place and person; as CSV where the address asks for it."""
    source, person = visit.choice("source", SOURCES), visit.id("person")

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.ActivityRow], str | None]:
        found = await queries.activity(
            session, visit.actor, source=source or None, person=person, after=mark, limit=rows, secret=visit.secret
        )
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "activity", CSV_HEADER, page, _cells)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    people = await parties.users(visit.session, visit.actor, limit=MOST_PEOPLE)
    return visit.show(
        "company/activity.html",
        rows=rows,
        view=TableView.of(visit.request, COLUMNS).with_next(following),
        sources=list(SOURCES.items()),
        people=[(p.id, p.name) for p in people],
    )


def _cells(row: queries.ActivityRow) -> tuple[object, ...]:
    return (row.at.isoformat(), row.person, SOURCES[row.source], row.words, row.reference)

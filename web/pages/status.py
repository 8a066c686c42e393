"""How the ledger stands: what is checked by itself, when it was last looked at, and what came out. For everybody who signs in; where
something does not hold is told to the people who operate the site."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.db.session import ReadSession
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger import invariants
from marketplace.ledger.invariants import Outcome
from marketplace.ledger.queries import checked
from marketplace.ledger.queries import log as log_queries
from marketplace.ledger.queries.checked import RunRow
from marketplace.parties import queries as parties
from marketplace.settings import get_settings
from web.charts import Bars, bars
from web.exports import list_csv, wants_csv
from web.session import Visit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/status", include_in_schema=False)
Reads = Annotated[Visit, visits("stock.read")]

PER_PAGE: Final = 12
SHOWN: Final = timedelta(hours=24)
MOST_SHOWN: Final = 400
MOST_ALARMS: Final = 5
RUNS: Final = (
    Column("at", "When"),
    Column("outcome", "Result"),
    Column("looked", "Looked at"),
    Column("took", "Took", "end"),
    Column("waiting", "Waiting for the log", "end"),
)
RESULTS: Final = (
    Column("what", "What must hold"),
    Column("result", "Result"),
    Column("words", "What came out"),
    Column("took", "Took", "end"),
)
CSV_HEADER: Final = (
    "When", "Result", "Lots", "Transactions", "Entries of the log", "Seconds", "Waiting", "Oldest waits, seconds", "Log", "Signed",
)  # fmt: skip
TONES: Final = {Outcome.HOLDS: "good", Outcome.LATE: "warn", Outcome.BROKEN: "bad"}
WORDS: Final = {Outcome.HOLDS: "Holds", Outcome.LATE: "Late", Outcome.BROKEN: "Does not hold"}


@router.get("")
async def status(visit: Reads) -> Response:
    """The last run by check, the runs of a day as a picture, and the runs as a table."""

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[RunRow], str | None]:
        after = read_bookmark(mark, visit.secret, datetime.fromisoformat)
        some = await checked.runs(session, before=after[0] if after else None, limit=rows + 1)
        shown = cut(some, rows, lambda r: [r.at], visit.secret)
        return shown.items, shown.next

    if wants_csv(visit):
        return list_csv(visit, "checks", CSV_HEADER, page, _cells)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    newest = await checked.runs(visit.session, limit=1)
    last = newest[0] if newest else None
    results = await checked.results(visit.session, last.id) if last is not None else []
    operator = await _operates(visit)
    recent = await checked.runs_since(visit.session, visit.now - SHOWN, MOST_SHOWN)
    return visit.show(
        "status/status.html", rows=rows, last=last, results=results, operator=operator, next=last.at + invariants.EVERY if last else None,
        outcome=last.outcome if last is not None else None, nobody_looks=invariants.nobody_looks(last.at if last else None, visit.now),
        findings=await checked.findings_for_operators(visit.session, last.id) if operator and last is not None else [],
        standing=await checked.standing(visit.session), alarms=await log_queries.alarms(visit.session, MOST_ALARMS),
        picture=picture(recent, visit.now), runs=TableView.of(visit.request, RUNS).with_next(following),
        view=TableView.of(visit.request, RESULTS), tones=TONES, words=WORDS, titles=invariants.BY_KEY, told=get_settings().operator_addresses,
    )  # fmt: skip


async def _operates(visit: Visit) -> bool:
    """Whether this person is one of those who operate the site: a setting, and no role that a company could give."""
    known = {a.lower() for a in get_settings().operator_addresses}
    return bool(known) and (await parties.email_of(visit.session, visit.actor)).lower() in known


def picture(runs: Sequence[RunRow], now: datetime) -> Bars | None:
    """The runs up to ``now``: as high as they looked at transactions and entries, coloured by what they came to; None without any."""
    if not runs:
        return None
    first = now - SHOWN
    values = [
        (r.at, Decimal(r.transactions + r.entries), TONES[r.outcome],
         f"{r.at:%H:%M} UTC: {WORDS[r.outcome].lower()}; {r.transactions + r.entries:,} transactions and entries looked at")
        for r in runs
    ]  # fmt: skip
    hours = [first.replace(minute=0, second=0, microsecond=0) + timedelta(hours=n) for n in range(1, 25)]
    return bars(values, first, now, invariants.EVERY, [(h, f"{h:%H}:00") for h in hours if not h.hour % 4])


def _cells(row: RunRow) -> list[object]:
    return [
        row.at.isoformat(timespec="seconds"), WORDS[row.outcome], row.lots, row.transactions, row.entries, f"{row.milliseconds / 1000:.1f}",
        row.waiting, row.lag_seconds, row.mark.log_size, row.mark.signed_size,
    ]  # fmt: skip

"""The calendar: what is due, from whom, by when, what happens if not; the feed of it, and how a company is reminded."""

from __future__ import annotations

import calendar as months
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.db.requests import Reading
from marketplace.db.session import ReadSession, Tenant, WriteSession, become, plan_once
from marketplace.kit.clock import add_months, end_of_day
from marketplace.obligations import queries, service
from marketplace.obligations.endpoints import COLUMNS as CSV_HEADER
from marketplace.obligations.endpoints import cells
from marketplace.obligations.feed import calendar_of
from marketplace.obligations.kinds import KINDS, WINDOWS, Obligation, ObligationKind
from marketplace.obligations.queries import DayCount, ObligationFilter
from marketplace.obligations.reminding import MOST_DAYS, MOST_HOURS, Setting
from marketplace.parties import queries as parties
from marketplace.parties import service as people
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.session import SentForm, Visit, looking, submit, visits
from web.tables import TableView

router = APIRouter(prefix="/calendar", include_in_schema=False)
ReadsCalendar = Annotated[Visit, visits("obligation.read")]

PER_PAGE: Final = 50
YEARS: Final = range(2000, 2200)
FEED_MOST: Final = 500
"""Entries of a feed, what is due first before the rest; the page says so."""
WEEK: Final = timedelta(days=7)
AHEAD: Final = timedelta(days=30)
"""How far the list looks ahead before it is asked for more: windows of agreements go on for decades."""
TABS: Final = (("", "Everything"), ("mine", "Ours to do"), ("theirs", "Others'"), ("overdue", "Overdue"))
CHOICES: Final = (
    ("trade", "All but windows of agreements"),
    *((kind.value, about.words) for kind, about in KINDS.items()),
)
DONE: Final = {
    "reminders": ("Changed.", "It counts for reminders from now on; what was told already is not told again."),
    "feed": ("The address was made already.", "It was shown that one time. Make another if it is lost."),
    "feed-ended": ("Ended.", "The address stopped working at once."),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of the month's picture; ``count`` None: nothing is due."""

    day: date
    inside: bool
    count: DayCount | None
    href: str


def _months(text: str) -> date | None:
    """The first day of '2026-11', or None when it is no month."""
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return found if found.year in YEARS else None


def _month(visit: Visit, day: date | None) -> tuple[date, bool]:
    """The first day of the month in the picture, and whether it was asked for."""
    asked = visit.asked("month")
    found = _months(asked)
    if asked and found is None:
        visit.set_aside("month")
    return found or (day or visit.today).replace(day=1), found is not None


def _href(view: TableView, **changed: str) -> str:
    """This page with some of its parameters changed; an empty one is left out."""
    kept = {**dict(view.query), **changed}
    query = urlencode({k: v for k, v in kept.items() if v})
    return f"/calendar?{query}" if query else "/calendar"


def _month_href(view: TableView, first: date) -> str | None:
    """This page for a month, or None beyond the years that a calendar here has."""
    return _href(view, month=f"{first:%Y-%m}", day="", when="") if first.year in YEARS else None


def _weeks(view: TableView, first: date, counts: Sequence[DayCount]) -> list[list[Cell]]:
    """The month by weeks that begin on Monday, with the days around it."""
    by_day = {count.day: count for count in counts}
    return [
        [
            Cell(
                day, day.month == first.month, by_day.get(day),
                _href(view, day=day.isoformat(), month=f"{first:%Y-%m}"),
            )
            for day in week
        ]
        for week in months.Calendar().monthdatescalendar(first.year, first.month)
    ]  # fmt: skip


def _start(day: date, zone: str) -> datetime:
    """The moment at which a day begins in a zone."""
    return end_of_day(day - timedelta(days=1), zone)


def grouped(rows: Sequence[Obligation], now: datetime, today: date, zone: str) -> list[tuple[str, list[Obligation]]]:
    """Rows under Overdue, Today, This week (the next seven days) and Later, empty ones left out."""
    found: dict[str, list[Obligation]] = {"Overdue": [], "Today": [], "This week": [], "Later": []}
    for row in rows:
        day = row.on(zone)
        name = (
            "Overdue"
            if row.overdue(now)
            else "Today"
            if day <= today
            else "This week"
            if day < today + WEEK
            else "Later"
        )
        found[name].append(row)
    return [(name, some) for name, some in found.items() if some]


@router.get("")
async def calendar(visit: ReadsCalendar) -> Response:
    """``?show=`` mine, theirs or overdue, ``?kind=``, ``?agreement=``, ``?month=2026-11``, ``?day=2026-11-30``, ``?when=all``
    for what is due later than in 30 days as well."""
    return await _page(visit)


async def _page(visit: Visit, form: Form | None = None) -> Response:
    show = visit.choice("show", {key for key, _ in TABS})
    kind = visit.choice("kind", {key for key, _ in CHOICES})
    agreement_id, day = visit.id("agreement"), visit.day("day")
    first, asked = _month(visit, day)
    whole = ObligationFilter(
        side=show if show in {"mine", "theirs"} else None,
        kinds=frozenset(ObligationKind) - WINDOWS
        if kind == "trade"
        else frozenset({ObligationKind(kind)})
        if kind
        else None,
        overdue=show == "overdue",
        agreement_id=agreement_id,
    )
    after = until = None
    if day is not None:
        after, until = _start(day, visit.zone), end_of_day(day, visit.zone)
    elif not asked and not agreement_id and visit.choice("when", {"all"}) != "all":
        until = end_of_day(visit.today + AHEAD, visit.zone)
    elif asked:
        after, until = _start(first, visit.zone), _start(add_months(first, 1), visit.zone)
    wanted = _bounded(whole, after, until)

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[Obligation], str | None]:
        found = await queries.obligations(
            session, visit.actor, wanted, visit.now, after=mark, limit=rows, secret=visit.secret
        )
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "calendar", CSV_HEADER, page, cells)
    # What is due has many sources: planning the statement takes longer than reading them.
    await plan_once(visit.session)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    view = TableView.of(visit.request, ()).with_next(following)
    weeks = months.Calendar().monthdatescalendar(first.year, first.month)
    picture = _bounded(whole, _start(weeks[0][0], visit.zone), end_of_day(weeks[-1][-1], visit.zone))
    counts = await queries.by_day(visit.session, visit.actor, picture, visit.now, visit.zone)
    reminders = await queries.setting(visit.session, visit.actor.company_id)
    return visit.show(
        "calendar/calendar.html", rows=rows, view=view, weeks=_weeks(view, first, counts), first=first, day=day,
        groups=[("", list(rows))] if day else grouped(rows, visit.now, visit.today, visit.zone),
        bounded=f"{first:%B %Y}" if asked and not day else "",
        tabs=[(key, words, _href(view, show=key), None) for key, words in TABS], tab=show, choices=CHOICES,
        before=_month_href(view, add_months(first, -1)), behind=_month_href(view, add_months(first, 1)), whole=_href(view, month="", day="", when=""),
        ahead=AHEAD.days if until is not None and not day and not asked else 0,
        later=_href(view, when="all", day="", month=""),
        of=await _reference(visit, agreement_id), without=_href(view, agreement=""), agreement=agreement_id,
        feed=await parties.feed_since(visit.session, visit.actor), most=FEED_MOST, reminders=reminders,
        form=form or _reminder_form(reminders), limits=(MOST_HOURS, MOST_DAYS), zone=visit.zone,
        done=DONE.get(visit.asked("done")),
    )  # fmt: skip


def _bounded(wanted: ObligationFilter, after: datetime | None, until: datetime | None) -> ObligationFilter:
    return ObligationFilter(wanted.side, wanted.kinds, wanted.overdue, wanted.agreement_id, after, until)


async def _reference(visit: Visit, agreement_id: Any) -> str:
    """The agreement that the page is narrowed to, by its reference."""
    if agreement_id is None or not visit.actor.may("agreement.read"):
        return ""
    return (await agreements.agreement(visit.session, visit.actor, agreement_id)).row.reference


# -- the feed --------------------------------------------------------------------------------------------


@router.post("/feed")
async def make_feed(request: Request, sent: SentForm, now: Now) -> Response:
    """Makes the person's address and shows it this once. It is nowhere in the answer that is kept for a repeat."""
    shown: list[str] = []

    async def act(session: WriteSession, actor: Actor) -> None:
        shown.append(await people.make_feed(session, actor, now))

    done = await submit(request, sent, "obligation.read", act, now=now, to="/calendar?done=feed")
    return done if done.status_code != 303 or not shown else await _shown_once(request, shown[0], now)


async def _shown_once(request: Request, token: str, now: datetime) -> Response:
    address = f"{request.app.state.settings.base_url.rstrip('/')}/calendar/{token}.ics"

    async def page(visit: Visit) -> Response:
        response = visit.show("calendar/feed_made.html", address=address, most=FEED_MOST)
        response.status_code = 201
        response.headers["cache-control"] = "no-store"
        return response

    return await looking(request, now, page)


@router.post("/feed/end")
async def end_feed(request: Request, sent: SentForm, now: Now) -> Response:
    """Ends the person's address at once."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await people.end_feed(session, actor.user_id, now)

    return await submit(request, sent, "obligation.read", act, now=now, to="/calendar?done=feed-ended")


@router.get("/{token}.ics")
async def feed(request: Request, token: str, session: Reading, now: Now) -> Response:
    """What is due for the person whose address this is, as their role of today may see it. Anything else is not found."""
    actor = await parties.actor_of_feed(session, people.token_hash(token[:200]))
    await become(session, Tenant(actor.company_id, actor.sources))
    request.state.actor = actor
    rows = await queries.coming(session, actor, ObligationFilter(), now, FEED_MOST)
    reminders = await queries.setting(session, actor.company_id)
    site = request.app.state.settings.base_url
    body = calendar_of(
        rows, name=f"Backstock: {actor.company_name}", site=site, host=urlsplit(site).hostname or "backstock.invalid",
        now=now, setting=reminders,
    )  # fmt: skip
    headers = {"cache-control": "private, no-cache", "content-disposition": 'inline; filename="backstock.ics"'}
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


# -- reminders -------------------------------------------------------------------------------------------


def _reminder_form(setting: Setting) -> Form:
    values: Mapping[str, str] = {
        "hours_before": str(setting.hours_before),
        "days_before": str(setting.days_before),
        **({"mails": "yes"} if setting.mails else {}),
    }
    return Form(values)


@router.post("/reminders")
async def set_reminders(request: Request, sent: SentForm, now: Now) -> Response:
    """Changes how the company is reminded."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        hours = fields.whole("hours_before", "Hours before", low=1, high=MOST_HOURS)
        days = fields.whole("days_before", "Days before", low=1, high=MOST_DAYS)
        fields.check()
        await service.set_reminders(session, actor, Setting(hours, days, fields.yes("mails")), now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, form)

    return await submit(
        request, sent, "company.manage", act, now=now, to="/calendar?done=reminders#reminders", again=again
    )

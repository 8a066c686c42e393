"""The sites of one's own company: add, change, close, and whom to ring there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties import queries, service
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing.service import close_site
from web.exports import list_csv, wants_csv
from web.forms import Fields, Form, Value
from web.pages.company import company_page
from web.session import Sent, SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/company", include_in_schema=False)
ReadsCompany = Annotated[Visit, visits("company.read")]
ManagesCompany = Annotated[Visit, visits("company.manage")]
PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("site", "Site"), Column("town", "Town"), Column("hours", "Hours"), Column("phone", "Telephone"),
    Column("call", "Will-call"),
)  # fmt: skip
CSV_HEADER: Final = (
    "Code", "Name", "Address", "Town", "Region", "Country", "Latitude", "Longitude", "Time zone", "Opens", "Closes",
    "Telephone", "After hours", "Will-call",
)  # fmt: skip


def _site_page(visit: Visit, form: Form, site: queries.SiteRow | None = None, **more: Any) -> Response:
    zones = sorted(zone for zone in available_timezones() if "/" in zone)
    options = [(zone, zone.replace("_", " ")) for zone in zones]
    return company_page(visit, "site", form, zone_options=options, site=site, **more)


@router.get("/sites/new")
async def new_site(visit: ManagesCompany) -> Response:
    """The form for a site."""
    return _site_page(visit, Form({"timezone": visit.zone, "country": visit.home.country if visit.home else ""}))


@router.post("/sites/new")
async def make_site(request: Request, sent: SentForm, now: Now) -> Response:
    """Adds a site."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        return await service.create_site(session, actor, **_given(sent))

    async def again(visit: Visit, form: Form) -> Response:
        return _site_page(visit, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=site", again=again)


def _degrees(fields: Fields, name: str, label: str) -> float | None:
    raw = fields.text(name, label, required=False, most=20)
    if not raw:
        return None
    try:
        return float(raw.replace(",", "."))
    except ValueError:
        fields.wrong(name, f"'{raw}' is not a number of degrees. Write it like 33.6053.")
        return None


def _time(fields: Fields, name: str, label: str) -> time | None:
    raw = fields.text(name, label, required=False, most=8)
    if not raw:
        return None
    try:
        return time.fromisoformat(raw)
    except ValueError:
        fields.wrong(name, f"'{raw}' is not a time. Write it like 08:00.")
        return None


def _given(sent: Sent) -> dict[str, Any]:
    """The site's details as the form says them."""
    fields = sent.fields()
    country = fields.text("country", "Country", most=60).upper()
    if len(country) != 2 or not country.isalpha():
        fields.wrong("country", "Write the country with two letters, such as US.")
    given: dict[str, Any] = {
        "code": fields.text("code", "Code", most=40),
        "name": fields.text("name", "Name", most=120),
        "place": fields.text("place", "Town", most=120),
        "region": fields.text("region", "State or region", required=False, most=60),
        "country": country,
        "timezone": fields.text("timezone", "Time zone", most=60),
        "address": fields.text("address", "Address", required=False, most=300),
        "lat": _degrees(fields, "lat", "Latitude"),
        "lon": _degrees(fields, "lon", "Longitude"),
        "opens": _time(fields, "opens", "Opens"),
        "closes": _time(fields, "closes", "Closes"),
        "counter_phone": fields.text("counter_phone", "Telephone", required=False, most=40),
        "after_hours_phone": fields.text("after_hours_phone", "Telephone after hours", required=False, most=40),
        "will_call": fields.yes("will_call"),
    }
    fields.check("site.invalid")
    return given


@router.get("/sites")
async def all_sites(visit: ReadsCompany) -> Response:
    """All sites by name, open or closed, searched and paged."""
    closed, search = visit.choice("closed", {"yes"}) == "yes", visit.asked("search") or None

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[queries.SiteRow], str | None]:
        after = read_bookmark(mark, visit.secret, str, UUID)
        found = await queries.sites(session, visit.actor, search=search, closed=closed, after=after, limit=rows + 1)
        some = cut(found, rows, lambda row: [row.name, row.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "sites", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    opened, shut = await queries.count_sites(visit.session, visit.actor)
    return visit.show(
        "company/sites.html",
        rows=rows,
        view=TableView.of(visit.request, COLUMNS).with_next(following),
        closed=closed,
        open_count=opened,
        closed_count=shut,
        manages=visit.actor.may("company.manage"),
    )


def _csv_row(row: queries.SiteRow) -> list[object]:
    return [
        row.code, row.name, row.address, row.place, row.region, row.country, row.lat, row.lon, row.timezone,
        row.opens, row.closes, row.counter_phone, row.after_hours_phone, "yes" if row.will_call else "no",
    ]  # fmt: skip


def _values(site: queries.SiteRow) -> dict[str, Value]:
    """The form of a site as it is."""
    values: dict[str, Value] = {
        name: str(getattr(site, name))
        for name in (
            "code", "name", "place", "region", "country", "timezone", "address", "counter_phone", "after_hours_phone",
        )
    }  # fmt: skip
    for name in ("lat", "lon"):
        degrees = getattr(site, name)
        values[name] = "" if degrees is None else f"{degrees:g}" if degrees == round(degrees, 4) else str(degrees)
    for name in ("opens", "closes"):
        moment = getattr(site, name)
        values[name] = moment.strftime("%H:%M") if isinstance(moment, time) else ""
    if site.will_call:
        values["will_call"] = "yes"
    return values


async def _one_site(visit: Visit, site_id: UUID, form: Form | None = None) -> Response:
    site = await queries.own_site(visit.session, visit.actor, site_id)
    contacts = await queries.contacts(visit.session, [site_id])
    shown = form or Form(_values(site))
    return _site_page(
        visit,
        shown,
        site,
        contacts=contacts,
        closed=site.closed_at is not None,
        contact_form=Form({}),
        done=DONE.get(visit.asked("done")),
    )


DONE: Final[Mapping[str, str]] = {"contact": "The contact was added.", "removed": "The contact was removed."}


@router.get("/sites/{site_id}")
async def one_site(visit: ManagesCompany, site_id: UUID) -> Response:
    """A site to change, its contacts, and closing it."""
    return await _one_site(visit, site_id)


@router.post("/sites/{site_id}")
async def change_site(request: Request, site_id: UUID, sent: SentForm, now: Now) -> Response:
    """Changes a site."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.change_site(session, actor, site_id, **_given(sent))

    async def again(visit: Visit, form: Form) -> Response:
        return await _one_site(visit, site_id, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=site-changed", again=again)


@router.get("/sites/{site_id}/close")
async def close_page(visit: ManagesCompany, site_id: UUID) -> Response:
    """What closing a site does."""
    site = await queries.own_site(visit.session, visit.actor, site_id)
    return company_page(visit, "close_site", Form(), site=site)


@router.post("/sites/{site_id}/close")
async def close(request: Request, site_id: UUID, sent: SentForm, now: Now) -> Response:
    """Closes a site in which nothing is and to which nothing comes."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await close_site(session, actor, site_id, now)

    async def page(visit: Visit, form: Form, _outcome: object = None) -> Response:
        site = await queries.own_site(visit.session, visit.actor, site_id)
        return company_page(visit, "close_site", form, site=site)

    to = "/company?done=site-closed"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=page, confirm=page)


@router.post("/sites/{site_id}/reopen")
async def reopen(request: Request, site_id: UUID, sent: SentForm, now: Now) -> Response:
    """Opens a closed site again."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.reopen_site(session, actor, site_id)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=site-open")


@router.post("/sites/{site_id}/contacts")
async def add_contact(request: Request, site_id: UUID, sent: SentForm, now: Now) -> Response:
    """Adds somebody to ring at the site."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        given = {
            "name": fields.text("contact_name", "Name", most=120),
            "role": fields.text("role", "What they do", required=False, most=80),
            "telephone": fields.text("telephone", "Telephone", required=False, most=40),
            "email": fields.text("email", "E-mail address", required=False, most=200),
        }
        fields.check("contact.invalid", "The contact was not added.")
        await queries.own_site(session, actor, site_id)
        return await service.add_contact(session, actor, site_id, **given)

    async def again(visit: Visit, form: Form) -> Response:
        site = await queries.own_site(visit.session, visit.actor, site_id)
        contacts = await queries.contacts(visit.session, [site_id])
        return _site_page(
            visit, Form(_values(site)), site, contacts=contacts, closed=False, contact_form=form, done=None
        )

    to = f"/company/sites/{site_id}?done=contact#contacts"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=again)


@router.post("/sites/{site_id}/contacts/{contact_id}/remove")
async def remove_contact(request: Request, site_id: UUID, contact_id: UUID, sent: SentForm, now: Now) -> Response:
    """Removes a contact."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.remove_contact(session, actor, contact_id)

    to = f"/company/sites/{site_id}?done=removed#contacts"
    return await submit(request, sent, "company.manage", act, now=now, to=to)

"""The searches that a person keeps under a name: saved from the pages that search, opened, renamed, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries, service
from marketplace.sourcing.schemas.places import FACET_WORDS
from marketplace.sourcing.searches import MOST_SAVED, Search
from web.availability import URGENCIES
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.pages.find import LONGEST_ADDRESS, show_found
from web.pages.source_back import show_places
from web.saving import PREFIX
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/searches", include_in_schema=False)
VERB: Final = "listing.read"
Searches = Annotated[Visit, visits(VERB)]

PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("name", "Search"),
    Column("what", "Looks for"),
    Column("filters", "Narrowed by"),
    Column("saved", "Saved"),
    Column("act", "Actions", "end", hidden_label=True),
)
CSV_HEADER: Final = ("Name", "Kind", "Numbers", "Urgency", "Where to", "Filters", "Saved")
DONE: Final = {
    "saved": "The search was saved.",
    "renamed": "The search has its new name.",
    "deleted": "The search was deleted.",
    "told": "You are told of every new or cheaper offer that it finds, once, here and by mail as you chose.",
    "quiet": "It tells you nothing any more.",
}
KIND_WORDS: Final = {"units": "Where units are", "offers": "What is on offer"}
FILTER_WORDS: Final = {
    **FACET_WORDS, "class": "Class", "use": "Bought for", "seller": "Seller", "maker": "Maker", "country": "Country", "max_price": "Price up to", "sort": "Sorted by",
    "min_quantity": "Quantity at least", "within": "Within km", "offered": "Only what is on offer",
}  # fmt: skip
_NAMELESS: Final = frozenset({"holder", "seller", "maker"})
"""Filters whose value is an id, which tells nobody anything."""


def filters_words(filters: Mapping[str, str]) -> str:
    """The filters of a search, in words."""
    return "; ".join(
        FILTER_WORDS.get(name, name)
        + ("" if name in _NAMELESS or value == "yes" else f": {value.replace('_', ' ').replace(',', ', ')}")
        for name, value in filters.items()
    )


@router.get("")
async def listed(visit: Searches) -> Response:
    """The person's own, by name."""

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.SavedSearchRow], str | None]:
        key = read_bookmark(mark, visit.secret, str, UUID)
        after = (key[0], key[1]) if key else None
        found = await queries.saved_searches(session, visit.actor, after=after, limit=rows + 1)
        some = cut(found, rows, lambda r: [r.name.lower(), r.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "saved-searches", CSV_HEADER, page, _cells)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "searches/list.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), most=MOST_SAVED,
        done=DONE.get(visit.asked("done")), kinds=KIND_WORDS, urgencies={u[0]: u[1] for u in URGENCIES}, filters_words=filters_words,
        key=lambda: Form().key,
    )  # fmt: skip


def _cells(r: queries.SavedSearchRow) -> list[object]:
    return [
        r.name, KIND_WORDS[r.kind], r.numbers, r.urgency or "", r.site or "", filters_words(r.filters),
        r.created_at.isoformat(timespec="minutes"),
    ]  # fmt: skip


@router.get("/{search_id}")
async def opened(visit: Searches, search_id: UUID) -> Response:
    """What the search finds now: at its own address, or here where its numbers are too many for one."""
    found = await queries.saved_search(visit.session, visit.actor, search_id)
    given = {"q": found.numbers, **found.filters}
    if found.kind == "units":
        visit.actor.require("sourcing.read")
        given |= {"urgency": found.urgency or "", "site": str(found.site_id or "")}
    given = {name: value for name, value in given.items() if value}
    if len(found.numbers) <= LONGEST_ADDRESS:
        return RedirectResponse(f"/{'requests' if found.kind == 'units' else 'find'}?{urlencode(given)}", 303)
    if found.kind == "units":
        return await show_places(visit, given, sent_only=True)
    return await show_found(visit, given)


@router.post("")
async def save(request: Request, sent: SentForm, now: Now) -> Response:
    """Keeps what a page was asked, under a name."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        made = await service.save_search(session, actor, sent.form().value("name"), _search(sent))
        if sent.form().value("notify") == "yes":
            await service.set_notify(session, actor, made, on=True, now=now)
        return made

    async def again(visit: Visit, form: Form) -> Response:
        return await _saving(visit, form, sent)

    return await submit(request, sent, VERB, act, now=now, to="/searches?done=saved", again=again)


def _search(sent: Sent) -> Search:
    fields = sent.fields()
    kind = fields.one_of("kind", "what to look for", list(KIND_WORDS))
    urgency = (
        fields.one_of("urgency", "how urgent it is", [u[0] for u in URGENCIES]) if sent.values.get("urgency") else None
    )
    fields.check("search.invalid", "The search could not be saved.")
    form = sent.form()
    # As browsers send it, a line break is two characters.
    numbers = form.value("numbers").replace("\r\n", "\n")
    filters = {name.removeprefix(PREFIX): form.value(name) for name in sent.values if name.startswith(PREFIX)}
    return Search("offers" if kind == "offers" else "units", numbers, filters, urgency, uuid_of(form.value("site")))


async def _saving(visit: Visit, form: Form, sent: Sent) -> Response:
    hidden = {name: sent.form().value(name) for name in sent.values if name != "name"}
    return visit.show(
        "searches/name.html", form=form, action="/searches", hidden=hidden, title="Save this search", row=None
    )


@router.get("/{search_id}/name")
async def naming(visit: Searches, search_id: UUID) -> Response:
    """Another name, or none any more."""
    row = await queries.saved_search(visit.session, visit.actor, search_id)
    return _naming(visit, Form({"name": row.name}), row)


def _naming(visit: Visit, form: Form, row: queries.SavedSearchRow) -> Response:
    action = f"/searches/{row.id}/name"
    return visit.show("searches/name.html", form=form, action=action, hidden={}, title="Rename a search", row=row)


@router.post("/{search_id}/name")
async def rename(request: Request, sent: SentForm, search_id: UUID, now: Now) -> Response:
    """To a name that none of the person's others has."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.rename_search(session, actor, search_id, sent.form().value("name"))

    async def again(visit: Visit, form: Form) -> Response:
        return _naming(visit, form, await queries.saved_search(visit.session, visit.actor, search_id))

    return await submit(request, sent, VERB, act, now=now, to="/searches?done=renamed", again=again)


@router.post("/{search_id}/notify")
async def notify(request: Request, sent: SentForm, search_id: UUID, now: Now) -> Response:
    """Whether it tells what is new or cheaper."""
    on = sent.form().value("on") == "yes"

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.set_notify(session, actor, search_id, on=on, now=now)

    return await submit(request, sent, VERB, act, now=now, to=f"/searches?done={'told' if on else 'quiet'}")


@router.post("/{search_id}/delete")
async def delete(request: Request, sent: SentForm, search_id: UUID, now: Now) -> Response:
    """Shows what goes; once confirmed, it is gone."""

    async def act(session: WriteSession, actor: Actor) -> str:
        row = await queries.saved_search(session, actor, search_id)
        await service.delete_search(session, actor, search_id)
        return row.name

    async def confirm(visit: Visit, form: Form, outcome: str) -> Response:
        return visit.show("searches/delete.html", form=form, name=outcome, id=search_id)

    return await submit(request, sent, VERB, act, now=now, to="/searches?done=deleted", confirm=confirm)

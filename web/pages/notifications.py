"""What a person was told, and how it wants to be told; and the numbers that a page asks for when something has changed."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from marketplace.db.session import WriteSession
from marketplace.notifications import queries, service
from marketplace.notifications.kinds import HOW_WORDS, KINDS, MORNING, How
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.formats import plural
from web.forms import Form
from web.pages.preferences import local_path
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import TableView

router = APIRouter(prefix="/notifications", include_in_schema=False)
Reads = Annotated[Visit, visits("notification.read")]
VERB: Final = "notification.read"
PER_PAGE: Final = 50
DONE: Final = {
    "read": ("Marked as read.", "They stay here to be looked at."),
    "choices": ("Changed.", "It counts for what happens from now on."),
}
TABS: Final = (("", "All"), ("unread", "Unread"))


@router.get("")
async def notifications(visit: Reads) -> Response:
    """``?show=unread`` leaves out what was read."""
    show = visit.choice("show", {key for key, _ in TABS})
    page = await queries.notifications(
        visit.session, visit.actor, unread=show == "unread", after=visit.request.query_params.get("after"),
        limit=PER_PAGE, secret=visit.secret,
    )  # fmt: skip
    view = TableView.of(visit.request, ()).with_next(page.next)
    tabs = [(key, words, f"/notifications?show={key}" if key else "/notifications", None) for key, words in TABS]
    return visit.show(
        "notifications/list.html", rows=page.items, view=view, tabs=tabs, tab=show, key=Form().key,
        newest=max((row.id for row in page.items), default=None), some_unread=any(row.read_at is None for row in page.items),
        done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.get("/counters")
async def counters(visit: Reads) -> Response:
    """The numbers around a page, for one that is open while something changes."""
    shell = visit.request.state.shell
    return JSONResponse(
        {
            "counters": dict(shell.counters), "waiting": shell.waiting, "unread": shell.unread, "bell": shell.bell,
            "words": f"{plural(shell.waiting, 'thing waits', 'things wait')} for you",
            "tasks": [{"words": t.words, "href": t.href, "icon": t.icon} for t in shell.tasks],
        }
    )  # fmt: skip


@router.post("/read-all")
async def read_all(request: Request, sent: SentForm, now: Now) -> Response:
    """Up to the newest that was on the page: what came meanwhile stays unread."""
    until = uuid_of(str(sent.values.get("until", "")))

    async def act(session: WriteSession, actor: Actor) -> int:
        return await service.read_all(session, actor, until, now)

    return await submit(request, sent, VERB, act, now=now, to="/notifications?done=read")


@router.post("/{notification_id}/read")
async def read(request: Request, sent: SentForm, notification_id: UUID, now: Now) -> Response:
    """Marks one as read."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.read(session, actor, notification_id, now)

    return await submit(request, sent, VERB, act, now=now, to="/notifications")


@router.post("/{notification_id}/open")
async def open_one(request: Request, sent: SentForm, notification_id: UUID, now: Now) -> Response:
    """Marks it as read and goes to the page that it is about."""

    async def act(session: WriteSession, actor: Actor) -> str:
        return local_path((await service.read(session, actor, notification_id, now)).link)

    return await submit(request, sent, VERB, act, now=now, to=str)


def _choices(visit: Visit, chosen: Any, form: Form) -> Response:
    return visit.show(
        "notifications/choices.html", form=form, kinds=KINDS, chosen=chosen, morning=MORNING,
        hows=[(how.value, words) for how, words in HOW_WORDS.items()], done=DONE.get(visit.asked("done")), zone=visit.zone,
    )  # fmt: skip


@router.get("/choices")
async def choices(visit: Reads) -> Response:
    """How the person is told of each kind."""
    return _choices(visit, await queries.choices(visit.session, visit.actor), Form())


@router.post("/choices")
async def choose(request: Request, sent: SentForm, now: Now) -> Response:
    """Counts from now on."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        chosen = {kind: How(fields.one_of(kind, words, [how.value for how in How])) for kind, words in KINDS.items()}
        fields.check()
        await service.choose(session, actor, chosen, now)

    async def again(visit: Visit, form: Form) -> Response:
        return _choices(visit, await queries.choices(visit.session, visit.actor), form)

    return await submit(request, sent, VERB, act, now=now, to="/notifications/choices?done=choices", again=again)

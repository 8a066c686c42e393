"""Who a page is for, and how a form is carried out. Every page of a signed-in person begins here.

How to add a page
-----------------
A page that reads names the verb it needs and gets a ``Visit``: the actor, a read session on behalf of the actor's
company, the moment, and what signs bookmarks::

    ReadsThings = Annotated[Visit, visits("thing.read")]

    @router.get("/things")
    async def things(visit: ReadsThings) -> Response:
        rows = await queries.things(visit.session, visit.actor)
        return visit.show("things/list.html", rows=rows)

A form is carried out by ``submit``, which runs the action in one transaction through ``parties.service.once`` and
answers 303, or rolls everything back and shows the form again with the words of the refusal::

    @router.post("/things")
    async def make(request: Request, sent: SentForm, now: Now) -> Response:
        async def act(session: WriteSession, actor: Actor) -> UUID:
            fields = sent.fields()
            name = fields.text("name", "Name", most=80)
            fields.check()                              # names every wrong field at once
            return await service.make(session, actor, name=name, now=now)

        async def again(visit: Visit, form: Form) -> Response:
            return visit.show("things/new.html", form=form)

        return await submit(request, sent, "thing.write", act, now=now, to=lambda made: f"/things/{made}", again=again)

A binding step also gives ``confirm``: until the form comes with ``confirmed=yes``, the action is rehearsed (run and
rolled back, so that every refusal shows before anybody confirms) and ``confirm`` shows what it will do.

Register the router in web/app.py, put templates into templates/<job>/, add a navigation item in web/shell.py if
people must find it, and its number of waiting things in web/waiting.py. Words that stand on the page after a
redirect go into ``done=`` of the address and into the page's own table of words, never into the address itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from marketplace.db.requests import PageSecret, Reading, database, page_secret
from marketplace.db.session import ReadSession, Tenant, WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.errors import DomainError, Kind, conflict, invalid, unauthenticated
from marketplace.notifications import queries as notifications
from marketplace.parties import queries as parties
from marketplace.parties.actor import VERBS, Actor
from marketplace.parties.permissions import Now, request_time, resolve
from marketplace.parties.service import once
from web.errors import STATUS
from web.forms import IDEMPOTENCY_FIELD, Fields, Form, Value
from web.rendering import left_out, render
from web.shell import Shell
from web.tables import FORMAT
from web.waiting import counters, tasks

CONFIRMED: Final = "confirmed"
PERSON: Final = "x-backstock-person"
SHOWN_AGAIN: Final = frozenset({Kind.INVALID, Kind.CONFLICT, Kind.GONE})


def mark_of(actor: Actor, secret: str) -> str:
    """What stands for a person in the header ``PERSON``."""
    return hashlib.blake2b(f"{actor.user_id}:{actor.company_id}:{secret}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Visit:
    """One person looking at one page. ``session`` reads on behalf of the person's company only; ``home`` is the
    person's own site, or else the company's first: distances and times are told from there."""

    request: Request
    session: ReadSession
    actor: Actor
    now: datetime
    secret: str
    home: parties.SiteRow | None

    @property
    def mark(self) -> str:
        """Whose page this is, without saying who: what a browser keeps for when it is offline it keeps apart by this."""
        return mark_of(self.actor, self.secret)

    @property
    def tenant(self) -> Tenant:
        """For reads that outlive this request's session (streamed exports)."""
        return Tenant(self.actor.company_id, self.actor.sources)

    @property
    def near(self) -> tuple[float, float] | None:
        """Latitude and longitude that distances are told from, where they are known."""
        if self.home is None or self.home.lat is None or self.home.lon is None:
            return None
        return self.home.lat, self.home.lon

    @property
    def zone(self) -> str:
        """The time zone in which exact times are written out."""
        return self.home.timezone if self.home else "UTC"

    @property
    def today(self) -> date:
        """The day it is where the person is."""
        return local_day(self.now, self.zone)

    def asked(self, name: str) -> str:
        """A parameter of the address, without surrounding space; empty when it is not there."""
        return self.request.query_params.get(name, "").strip()

    def choice(self, name: str, choices: Collection[str]) -> str:
        """One of the stated values of a parameter, or empty. Anything else is set aside."""
        text = self.asked(name)
        return text if text in choices else self.set_aside(name)

    def id(self, name: str) -> UUID | None:
        """The id in a parameter. What cannot be one is set aside."""
        text = self.asked(name)
        found = uuid_of(text)
        if text and found is None:
            self.set_aside(name)
        return found

    def day(self, name: str) -> date | None:
        """The day in a parameter (2026-11-30). What is none is set aside."""
        try:
            return date.fromisoformat(self.asked(name)) if self.asked(name) else None
        except ValueError:
            self.set_aside(name)
            return None

    def set_aside(self, name: str) -> str:
        """Leaves out a parameter that makes no sense, if it is there: the page says so. Where a file is asked for that
        nobody would see, so it is refused. Raises ``filter.unknown``."""
        if text := self.asked(name):
            if self.asked(FORMAT) == "csv":
                raise invalid(
                    "filter.unknown", f"'{text[:40]}' is not a value of the filter '{name}'. No file was made."
                )
            left_out(self.request)[name] = text[:40]
        return ""

    def show(self, template: str, /, *, status_code: int = 200, **context: Any) -> HTMLResponse:
        """The page. Templates find ``actor`` beside what ``rendering.render`` gives them."""
        headers = {PERSON: self.mark}
        return render(
            self.request, template, status_code=status_code, headers=headers, now=self.now, actor=self.actor, **context
        )


async def _visit(request: Request, session: ReadSession, now: datetime, secret: str) -> Visit:
    """Resolves the actor and puts the shell onto the request, so that error pages have it too."""
    actor = await resolve(request, session, now)
    home = await parties.home_site(session, actor)
    # Before what it counts is read: the page is then at least as new as it says.
    unread, position = await notifications.standing(session, actor)
    found = await tasks(session, actor, now)
    request.state.now = now
    request.state.shell = Shell(
        user_name=actor.user_name,
        company_name=actor.company_name,
        roles=actor.roles,
        tasks=found,
        counters=counters(found),
        hidden=_of_no_use(actor),
        zone=home.timezone if home else "UTC",
        unread=unread,
        position=position,
    )
    return Visit(request, session, actor, now, secret, home)


_READ_BY: Final = {"orders": "order.read", "agreements": "agreement.read"}


def _of_no_use(actor: Actor) -> frozenset[str]:
    """Navigation that the actor's company has nothing behind."""
    hidden = {"requests"} if not actor.may_source else set()
    if not actor.is_manufacturer:
        hidden.add("releases")
    # Closed to people to whom the company does not name its holders, whatever the role says.
    hidden.update(key for key, verb in _READ_BY.items() if not actor.may(verb))
    return frozenset(hidden)


async def _signed_in(request: Request, session: Reading, now: Now, secret: PageSecret) -> Visit:
    return await _visit(request, session, now, secret)


async def _perhaps(request: Request, session: Reading, now: Now, secret: PageSecret) -> Visit | None:
    try:
        return await _visit(request, session, now, secret)
    except DomainError as error:
        if error.kind is not Kind.UNAUTHENTICATED:
            raise
        return None


SignedIn = Annotated[Visit, Depends(_signed_in, scope="function")]
"""A page for everybody who is signed in."""
Anybody = Annotated[Visit | None, Depends(_perhaps, scope="function")]
"""A page that visitors see too: None when nobody is signed in."""


def visits(verb: str) -> Any:
    """``Depends`` for a page that needs ``verb``. Not signed in: 303 to the sign-in page, which comes back."""
    if verb not in VERBS:
        raise ValueError(verb)

    async def check(visit: SignedIn) -> Visit:
        visit.actor.require(verb)
        return visit

    return Depends(check, scope="function")


async def recognise(request: Request) -> None:
    """Puts the shell onto a request that no page took (an unknown address), for its error page."""
    async with database(request).read() as session:
        await _visit(request, session, request_time(), "")


# -- forms -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """A form as it was sent: texts by field name (several of one name as a tuple), and the key against doing it
    twice."""

    values: Mapping[str, Value]
    key: str | None
    confirmed: bool
    whole: bool = True
    """Whether the texts are all there was (no file)."""

    def fields(self) -> Fields:
        """For reading typed values out of the form, collecting what is wrong."""
        return Fields(self.values)

    def form(self) -> Form:
        """The form to show again or to send along unseen, unchanged."""
        return Form(self.values)


async def _sent(request: Request) -> Sent:
    data = await request.form(max_fields=10_000)
    values: dict[str, Value] = {}
    for name in data:
        texts = tuple(v for v in data.getlist(name) if isinstance(v, str))
        values[name] = texts[0] if len(texts) == 1 else texts
    key = values.pop(IDEMPOTENCY_FIELD, None)
    confirmed = values.pop(CONFIRMED, None) == "yes"
    whole = all(isinstance(value, str) for _, value in data.multi_items())
    await data.close()  # a file that nobody asked for is not read
    sent = Sent(values, key if isinstance(key, str) and key else None, confirmed, whole)
    # For the answer to somebody whose session has ended meanwhile (web/kept.py).
    request.state.sent = sent
    return sent


SentForm = Annotated[Sent, Depends(_sent)]
Act = Callable[[WriteSession, Actor], Awaitable[Any]]
Again = Callable[[Visit, Form], Awaitable[Response]]
Confirm = Callable[[Visit, Form, Any], Awaitable[Response]]


class _RehearsedError(Exception):
    """Undoes a rehearsal, carrying out what it would have answered."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome


async def submit(
    request: Request,
    sent: Sent,
    verb: str,
    act: Act,
    *,
    now: datetime,
    to: str | Callable[[Any], str],
    again: Again | None = None,
    confirm: Confirm | None = None,
) -> Response:
    """Carries out a form: all of it, once, or nothing.

    ``act`` runs in one transaction that commits before the answer; what it returns is kept with the form's key, so
    that a second press gets the same redirect (``to``, an address or a function from the answer to one). A refusal
    rolls everything back and shows ``again`` with the refusal's status; without ``again``, and for what the actor
    may not do or see, the error page says it.
    """
    try:
        if confirm is not None and not sent.confirmed:
            outcome = await _rehearse(request, verb, act, now)
            return await looking(request, now, partial(_confirming, confirm, sent.form(), outcome))
        async with database(request).write() as session:
            actor = await resolve(request, session, now)
            _require_same(request, actor)
            actor.require(verb)
            given = {"path": request.url.path, **sent.values}
            answer = await once(session, actor, sent.key, f"web:{verb}", given, partial(act, session, actor))
    except DomainError as refused:
        error = _in_page_words(refused)
        if again is None or error.kind not in SHOWN_AGAIN:
            await _known(request, error)
            raise error from None
        response = await looking(request, now, partial(_retrying, again, Form.rejected(sent.values, error)))
        response.status_code = STATUS[error.kind]
        return response
    return RedirectResponse(to if isinstance(to, str) else to(answer.content), status_code=303)


def _require_same(request: Request, actor: Actor) -> None:
    """A device that kept a form until there was a network says who pressed it (static/js/service-worker.js): somebody else may have
    signed in there since. Raises ``session.other_person``."""
    whose = request.headers.get(PERSON)
    if whose is not None and whose != mark_of(actor, page_secret(request)):
        raise unauthenticated(
            "session.other_person", "Somebody else confirmed this on this device. It waits until they sign in."
        )


def _in_page_words(error: DomainError) -> DomainError:
    """Who goes back and sends a form again with other values has never heard of its key."""
    if error.code != "idempotency.reused":
        return error
    return conflict(
        error.code,
        "You sent this form before, with other values, and that was carried out. Look at what it did first; send this "
        "one again only if you want it as well.",
    )


async def _confirming(confirm: Confirm, form: Form, outcome: Any, visit: Visit) -> Response:
    return await confirm(visit, form, outcome)


async def _retrying(again: Again, form: Form, visit: Visit) -> Response:
    return await again(visit, form)


async def _rehearse(request: Request, verb: str, act: Act, now: datetime) -> Any:
    try:
        async with database(request).write() as session:
            actor = await resolve(request, session, now)
            actor.require(verb)
            raise _RehearsedError(await act(session, actor))
    except _RehearsedError as rehearsed:
        return rehearsed.outcome


async def looking(request: Request, now: datetime, show: Callable[[Visit], Awaitable[Response]]) -> Response:
    """Shows something after the writing transaction has ended, from a reading one of its own."""
    async with database(request).read() as session:
        return await show(await _visit(request, session, now, page_secret(request)))


async def _known(request: Request, error: DomainError) -> None:
    """The shell for the error page of a refused form, where the person is known and the database answers."""
    if error.kind not in {Kind.UNAUTHENTICATED, Kind.LIMITED, Kind.BUSY}:
        await recognise(request)


def uuid_of(text: str) -> UUID | None:
    """An id in an address or a form, or None when it cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        return None

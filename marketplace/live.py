"""What changes, told as it does: server-sent events (HTML standard, section 9.2) from the outbox, by position.

One listener per process hears that something was emitted, has positions given (outbox/service.py), and tells each of its clients that
something of its own company changed: what kind of record and which, never what. Whoever hears it asks for the record as always, with
the permissions of that moment. A client that waits holds neither a transaction nor a pooled connection. It resumes by the id of the
last event that it got, so nothing is lost and nothing told twice whatever breaks in between: the connection, this process, or its
own patience, since one that takes events too slowly is let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated, Any, Final, cast
from uuid import UUID

import asyncpg
import structlog
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from marketplace.db.requests import database
from marketplace.db.session import Database, Tenant
from marketplace.kit.errors import DomainError, busy, limited
from marketplace.outbox import queries as outbox
from marketplace.outbox.queries import Changed
from marketplace.outbox.service import place
from marketplace.parties import queries as parties
from marketplace.parties.permissions import Now, credential_of, only_known_names, resolve
from marketplace.telemetry import LIVE, LIVE_DROPPED

RESUMABLE: Final = 10_000
"""Positions, of all companies together, that a client may have missed: beyond that it is told to begin anew."""
AT_ONCE: Final = 50
"""Changes of a company that are told one by one; of more it is told that there were many."""
WAITING: Final = 200
"""What may wait for one client before it is let go."""
A_PERSON: Final = 12
"""Streams of one person in one process: a browser needs one for all of its tabs."""
_BEAT_SECONDS = 15.0
_POLL_SECONDS = 5.0
"""How long an event may go unheard when the database's word of it is lost."""
_SETTLE_SECONDS = 0.02
"""What is emitted together is told together."""
_LET_GO_SECONDS = 1.0
_RETRY_MILLISECONDS = 2_000
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, DomainError)


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a stream, written out, with the position it stands for."""

    position: int
    text: bytes


def _written(position: int, event: str, data: dict[str, Any]) -> Told:
    body = json.dumps(data, separators=(",", ":"))
    return Told(position, f"id: {position}\nevent: {event}\ndata: {body}\n\n".encode())


def told_of(changes: Sequence[Changed], up_to: int) -> list[Told]:
    """What a client is told of these changes; ``up_to``: nothing was left out before it. The same record once."""
    if len(changes) > AT_ONCE:
        return [_written(up_to, "many", {})]
    last = {(c.aggregate, c.aggregate_id): c.position for c in changes}
    return [
        _written(c.position, "changed", {"kind": c.aggregate, "id": str(c.aggregate_id)})
        for c in changes
        if last[c.aggregate, c.aggregate_id] == c.position
    ]


@dataclass(eq=False, slots=True)
class Client:
    """Somebody who is told. ``behind``: what it was told so far; what was placed before is not told again."""

    company: UUID
    person: UUID
    credential: bytes
    is_key: bool
    behind: int = 0
    queue: asyncio.Queue[Told | None] = field(default_factory=lambda: asyncio.Queue(WAITING))
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, told: Told) -> bool:
        """Puts an event into the queue; False when it is full, and the client is let go."""
        try:
            self.queue.put_nowait(told)
        except asyncio.QueueFull:
            self.end()
            return False
        return True

    def end(self) -> None:
        """Lets the client go; what waits for it is told when it resumes."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)
        self.ended.set()


class Hub:
    """The clients of this process and the one listener that serves them. It listens while there is a client."""

    def __init__(
        self,
        database: Callable[[], Database],
        *,
        beat_seconds: float = _BEAT_SECONDS,
        poll_seconds: float = _POLL_SECONDS,
        a_person: int = A_PERSON,
    ) -> None:
        self._database = database
        self.beat_seconds, self._poll_seconds, self._a_person = beat_seconds, poll_seconds, a_person
        self._clients: dict[UUID, set[Client]] = {}
        # How far everybody here was told; None while nobody is here. Found out by one at a time, before it looks for what it missed.
        self._position: int | None = None
        self._beginning = asyncio.Lock()
        self._heard = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._log = structlog.get_logger("live")

    @property
    def clients(self) -> list[Client]:
        """Everybody who is told now."""
        return [client for some in self._clients.values() for client in some]

    def join(self, client: Client) -> None:
        """From now on the client is told. Raises ``live.stopping``, ``live.too_many``."""
        if self._stopping:
            raise busy("live.stopping", "This server is about to stop. Connect again in a moment.")
        if sum(c.person == client.person for c in self._clients.get(client.company, ())) >= self._a_person:
            raise limited(
                "live.too_many",
                f"You have {self._a_person} of these connections open. Close one first.",
                retry_after=60,
            )
        self._clients.setdefault(client.company, set()).add(client)
        LIVE.set(len(self.clients))
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._check())]

    def leave(self, client: Client) -> None:
        """The client is told no more."""
        some = self._clients.get(client.company, set())
        some.discard(client)
        if not some:
            self._clients.pop(client.company, None)
        if not self._clients:
            self._position = None
            for task in self._tasks:
                task.cancel()
            self._tasks = []
        LIVE.set(len(self.clients))

    async def missed(self, client: Client, after: int | None) -> list[Told]:
        """What a client that joined has to be told first: that it is connected, from where on, and what it missed since ``after``."""
        async with self._beginning:
            if self._position is None:
                async with self._database().read() as session:
                    self._position = await outbox.position(session)
        await place(self._database())
        async with self._database().read(Tenant(client.company)) as session:
            head = await outbox.position(session)
            after = head if after is None else after
            if after > head or head - after > RESUMABLE:
                client.behind = head
                return [_written(head, "reset", {})]
            found = await outbox.changed(session, client.company, after, head, AT_ONCE + 1)
        client.behind = head
        return [*told_of(found, head), _written(head, "ready", {})]

    def end_all(self) -> None:
        """Lets everybody go, and nobody join: the process is about to stop."""
        self._stopping = True
        for client in self.clients:
            client.end()

    async def close(self) -> None:
        """Ends the listener and every stream."""
        self.end_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def heed_signals(self) -> None:
        """Ends the streams as soon as the process is told to stop: the server waits for open answers before it tells the
        application, and these would never end by themselves."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if not callable(before):
                continue

            def handle(
                number: int, frame: FrameType | None, before: Callable[[int, FrameType | None], Any] = before
            ) -> None:
                loop.call_soon_threadsafe(self.end_all)
                before(number, frame)

            with contextlib.suppress(ValueError):  # not the main thread: then no signal comes here
                signal.signal(number, handle)

    # -- the listener ------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hears of events as long as somebody is here; a lost connection is made again."""
        while True:
            try:
                connection = await asyncpg.connect(
                    self._database().dsn, timeout=5, server_settings={"application_name": "backstock-live"}
                )
            except _LOST as error:
                self._log.warning("not heard of events", error=repr(error))
                await asyncio.sleep(self._poll_seconds)
                continue
            try:
                connection.add_termination_listener(lambda _: self._heard.set())
                await connection.add_listener("outbox", lambda *_: self._heard.set())
                await self._pass_on(connection)
            except _LOST as error:
                self._log.warning("interrupted", error=repr(error))
                await asyncio.sleep(0.2)
            finally:
                connection.terminate()

    async def _pass_on(self, connection: asyncpg.Connection) -> None:
        while not connection.is_closed():
            self._heard.clear()
            await self._tell()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._heard.wait()
            await asyncio.sleep(_SETTLE_SECONDS)

    async def _tell(self) -> None:
        """Tells every client what was placed since the last time. Whoever joins meanwhile asks for itself what it missed."""
        await place(self._database())
        behind = self._position
        if behind is None:
            return
        async with self._database().read() as session:
            head = await outbox.position(session)
            if head == behind:
                return
            if not 0 < head - behind <= RESUMABLE:
                # The database was away for long, or is an older one: each finds out for itself where it stands.
                for client in self.clients:
                    client.end()
                self._position = head
                return
            companies = await outbox.concerned(session, behind, head) & self._clients.keys()
        for company in companies:
            async with self._database().read(Tenant(company)) as session:
                found = await outbox.changed(session, company, behind, head, AT_ONCE + 1)
            events = told_of(found, head)
            for client in list(self._clients.get(company, ())):
                if not all(client.tell(told) for told in events):
                    LIVE_DROPPED.inc()
        if self._position is not None:
            self._position = max(self._position, head)

    async def _check(self) -> None:
        """Lets those go whose session has ended or whose person was switched off."""
        while True:
            await asyncio.sleep(self.beat_seconds)
            everybody = self.clients
            if not everybody:
                continue
            by_kind = {k: sorted({c.credential for c in everybody if c.is_key is k}) for k in (False, True)}
            try:
                async with self._database().read() as session:
                    good = await parties.in_force(session, by_kind[False], by_kind[True], datetime.now(UTC))
            except _LOST:
                continue
            for client in everybody:
                if client.credential not in good:
                    client.end()


class EventStream(Response):
    """The answer that goes on: what was missed, then what comes, and a comment now and then, so that nobody on the way takes the
    connection for dead."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, client: Client, first: Sequence[Told]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._client, self._first = hub, client, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as every response is called
        """Runs until the client goes away or is let go."""
        try:
            sending = asyncio.create_task(self._send(send))
            gone = asyncio.create_task(_gone(receive))
            ended = asyncio.create_task(self._client.ended.wait())
            tasks: set[asyncio.Task[Any]] = {sending, gone, ended}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if ended.done() and not gone.done():
                    # It ends its answer by itself, unless nobody takes what it sends.
                    await asyncio.wait({sending}, timeout=_LET_GO_SECONDS)
                if sending.done():
                    sending.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._hub.leave(self._client)

    async def _send(self, send: Send) -> None:
        async def out(body: bytes, *, more: bool = True) -> None:
            message: Message = {"type": "http.response.body", "body": body, "more_body": more}
            await send(message)

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await out(f"retry: {_RETRY_MILLISECONDS}\n\n".encode() + b"".join(told.text for told in self._first))
        while not self._client.ended.is_set():
            try:
                # Not wait_for: before Python 3.12 it forgets that it was cancelled where an event came at that moment, and whoever
                # had gone was told on for ever.
                async with asyncio.timeout(self._hub.beat_seconds):
                    told = await self._client.queue.get()
            except TimeoutError:
                await out(b":\n\n")
                continue
            if told is None:
                break
            if told.position > self._client.behind:
                await out(told.text)
        await out(b"", more=False)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def hub_of(request: Request) -> Hub:
    """The hub of the running application."""
    return cast("Hub", request.app.state.live)


router = APIRouter(tags=["live"])


@router.get(
    "/live",
    summary="What changes, as it does",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 1042\nevent: changed\ndata: {"kind":"call","id":"…"}\n\n',
                }
            }
        }
    },
)
async def live(
    request: Request,
    now: Now,
    after: Annotated[
        int | None, Query(ge=0, description="The id of the last event that you got; none: from now on.")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="As `after`, and goes before it: what a browser sends.")
    ] = None,
) -> Response:
    """Server-sent events of your company. `changed`: a record (`kind`, `id`) is not as it was; ask for it as always. `many`: more than
    fifty records. `ready`: you were told all there was. `reset`: you were away for too long to be told what you missed; begin anew.
    Connect again with the `id` of the last event: nothing is lost and nothing told twice. Needs the scope `notification.read`."""
    hashed, is_key = credential_of(request)
    async with database(request).read() as session:
        actor = await resolve(request, session, now)
        only_known_names(request)
        actor.require("notification.read")
    asked = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdecimal() else after
    hub, client = hub_of(request), Client(actor.company_id, actor.user_id, hashed, is_key)
    hub.join(client)
    try:
        first = await hub.missed(client, min(asked, 2**62) if asked is not None else None)
    except BaseException:
        hub.leave(client)
        raise
    return EventStream(hub, client, first)

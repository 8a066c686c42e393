"""What changes is told as it does: nothing lost, nothing twice, to one's own company, over real connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from marketplace.db.embedded import APP, Credentials
from marketplace.db.session import NOBODY, Database, fetch, fetch_value
from marketplace.live import AT_ONCE, RESUMABLE, WAITING, Client, Hub, Told
from marketplace.outbox import queries
from marketplace.outbox.service import emit, emit_each, place
from tests.browser.conftest import serving
from tests.clients import app_for, token_for
from tests.world import Party, World

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Stream:
    """A connection to /live, read as a browser reads it. ``last``: the id that it would resume by."""

    def __init__(self, response: httpx.Response) -> None:
        self.lines = response.aiter_lines()
        self.last = ""

    async def next(self) -> tuple[str, dict[str, str]]:
        """The next event's name and data; comments are passed over. Raises StopAsyncIteration at the end."""
        name, data = "", {}
        async with asyncio.timeout(20):
            while True:
                field, _, value = (await anext(self.lines)).partition(": ")
                if field == "id":
                    self.last = value
                elif field == "event":
                    name = value
                elif field == "data":
                    data = json.loads(value)
                elif field == "" and name:
                    return name, data

    async def until_ready(self) -> list[str]:
        """The ids of what it missed, in the order told."""
        found = []
        while (event := await self.next())[0] != "ready":
            found.append(event[1].get("id", event[0]))
        return found


@asynccontextmanager
async def listening(address: str, token: str, last: str = "") -> AsyncIterator[Stream]:
    headers = {"last-event-id": last} if last else {}
    cookies = {"backstock_session": token}
    async with (
        httpx.AsyncClient(timeout=None, cookies=cookies) as client,
        client.stream("GET", f"{address}/live", headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def happen(db: Database, *parties: Party) -> str:
    """Something happens to a record of these companies; its id."""
    record = uuid4()
    async with db.write(parties[0].tenant) as session:
        await emit(session, "test.happened", "thing", record, [p.id for p in parties])
    return str(record)


async def token_of(world: World, party: Party, role: str = "buyer") -> str:
    return await token_for(world.owner, party.users[role], party.id)


async def test_what_commits_late_is_told_late_and_never_missed(world: World) -> None:
    """An event's id is given before it commits: whoever reads on from the highest id loses one that took longer."""
    async with serving(app_for(world.db)) as address, listening(address, await token_of(world, world.buyer)) as stream:
        assert await stream.until_ready() == []
        late = uuid4()
        async with world.db.write(world.buyer.tenant) as session:
            await emit(session, "test.happened", "thing", late, [world.buyer.id])
            early = await happen(world.db, world.buyer)
            assert await stream.next() == ("changed", {"kind": "thing", "id": early})
        assert await stream.next() == ("changed", {"kind": "thing", "id": str(late)})
        ids = await world.owner.fetch(
            "SELECT aggregate_id FROM outbox_event WHERE aggregate_id = ANY($1) ORDER BY id", [late, UUID(early)]
        )
        assert [r["aggregate_id"] for r in ids] == [late, UUID(early)], "the first of them was to commit last"


async def test_a_company_hears_of_its_own_only(world: World) -> None:
    async with serving(app_for(world.db)) as address, listening(address, await token_of(world, world.buyer)) as stream:
        assert await stream.until_ready() == []
        await happen(world.db, world.other)
        await happen(world.db, world.maker)
        ours = await happen(world.db, world.maker, world.buyer)
        assert await stream.next() == ("changed", {"kind": "thing", "id": ours})


async def test_it_goes_on_after_the_server_was_started_again(world: World) -> None:
    token = await token_of(world, world.buyer)
    async with serving(app_for(world.db)) as address, listening(address, token) as stream:
        assert await stream.until_ready() == []
        first = await happen(world.db, world.buyer)
        assert (await stream.next())[1]["id"] == first
        last = stream.last
    missed = [await happen(world.db, world.buyer), await happen(world.db, world.buyer, world.maker)]
    async with serving(app_for(world.db)) as address, listening(address, token, last) as stream:
        assert await stream.until_ready() == missed
        later = await happen(world.db, world.buyer)
        assert (await stream.next())[1]["id"] == later
    async with serving(app_for(world.db)) as address, listening(address, token, stream.last) as again:
        assert await again.until_ready() == []


async def test_while_it_connects_nothing_is_lost_and_nothing_told_twice(world: World) -> None:
    """Clients come and go while events are emitted; each goes on from where it was, and hears of every one once."""
    token, app = await token_of(world, world.buyer), app_for(world.db)
    happened: list[str] = []

    async def emitting() -> None:
        for _ in range(60):
            record = await happen(world.db, world.buyer)
            happened.append(record)

    async def following(address: str, patience: int, last: str) -> list[str]:
        heard: list[str] = []
        while not (work.done() and set(heard) >= set(happened)):
            async with listening(address, token, last) as stream:
                heard += await stream.until_ready()
                last = stream.last
                for _ in range(patience):
                    if work.done() and set(heard) >= set(happened):
                        break
                    name, data = await stream.next()
                    heard += [data["id"]] if name == "changed" else []
                    last = stream.last
        return heard

    async with serving(app) as address:
        async with listening(address, token) as stream:
            await stream.until_ready()
            start = stream.last
        work = asyncio.create_task(emitting())
        heard = await asyncio.gather(*(following(address, patience, start) for patience in (1, 2, 5)))
        await work
    for each in heard:
        assert sorted(each) == sorted(happened)


async def test_who_goes_while_something_happens_is_gone(world: World) -> None:
    """An event at the moment at which a client goes away keeps nobody here; and once nobody is, nothing listens."""
    token, app = await token_of(world, world.buyer), app_for(world.db)
    async with serving(app) as address:
        work = asyncio.create_task(_happening(world))
        for _ in range(60):
            async with listening(address, token) as stream:
                await stream.until_ready()
                await stream.next()
        work.cancel()
        async with asyncio.timeout(10):
            while app.state.live.clients:  # noqa: ASYNC110 - the server finds out by itself
                await asyncio.sleep(0.01)
        assert app.state.live._tasks == []


async def _happening(world: World) -> None:
    while True:
        await happen(world.db, world.buyer)


async def test_many_at_once_are_told_as_many(world: World) -> None:
    async with serving(app_for(world.db)) as address, listening(address, await token_of(world, world.buyer)) as stream:
        assert await stream.until_ready() == []
        async with world.db.write(world.buyer.tenant) as session:
            some = [(uuid4(), {}) for _ in range(AT_ONCE + 1)]
            await emit_each(session, "test.happened", "thing", some, [world.buyer.id])
        assert (await stream.next())[0] == "many"


async def test_who_was_away_for_too_long_begins_anew(world: World, worker_db: Database) -> None:
    await happen(world.db, world.buyer)
    await place(worker_db)
    async with world.db.read(NOBODY) as session:
        head = await queries.position(session)
    token = await token_of(world, world.buyer)
    async with serving(app_for(world.db)) as address, listening(address, token, str(head + 1)) as stream:
        assert await stream.next() == ("reset", {})
        assert stream.last == str(head)
    hub = Hub(lambda: world.db)
    client = Client(world.buyer.id, world.buyer.users["buyer"], b"", is_key=False)
    hub.join(client)
    assert b"event: reset" in (await hub.missed(client, head - RESUMABLE - 1))[0].text
    await hub.close()


async def test_it_ends_with_the_session_and_with_the_person(world: World) -> None:
    app = app_for(world.db)
    app.state.live = Hub(lambda: world.db, beat_seconds=0.1)
    async with serving(app) as address:
        for sql in (
            "UPDATE user_session SET revoked_at = now() WHERE user_id = $1",
            "UPDATE user_account SET active = false WHERE id = $1",
        ):
            token = await token_of(world, world.buyer)
            async with listening(address, token) as stream:
                await stream.until_ready()
                await world.owner.execute(sql, world.buyer.users["buyer"])
                with pytest.raises(StopAsyncIteration):
                    await stream.next()
            async with httpx.AsyncClient(cookies={"backstock_session": token}) as client:
                assert (await client.get(f"{address}/live")).status_code == 401


async def test_a_stranger_and_a_key_without_the_scope_are_refused(world: World) -> None:
    async with serving(app_for(world.db)) as address, httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/live")).status_code == 401
        token = await token_of(world, world.maker, "admin")
        for asked in ("after=-1", "after=soon", "after=1.5", "after=" + "9" * 4_400, "before=1"):
            odd = await client.get(f"{address}/live?{asked}", cookies={"backstock_session": token})
            assert odd.status_code == 422, (asked, odd.text)
        body = {"name": "small", "scopes": ["parts.read"]}
        made = await client.post(f"{address}/api/v1/api-keys", json=body, cookies={"backstock_session": token})
        assert made.status_code == 201, made.text
        client.cookies.clear()
        answer = await client.get(f"{address}/live", headers={"authorization": f"Bearer {made.json()['secret']}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "actor.scope"), answer.text


async def test_one_person_has_only_so_many(world: World) -> None:
    app, token = app_for(world.db), await token_of(world, world.buyer)
    app.state.live = Hub(lambda: world.db, a_person=1)
    async with (
        serving(app) as address,
        httpx.AsyncClient(cookies={"backstock_session": token}) as client,
        listening(address, token) as stream,
    ):
        await stream.until_ready()
        answer = await client.get(f"{address}/live")
        assert (answer.status_code, answer.json()["code"]) == (429, "live.too_many")
        assert len(app.state.live.clients) == 1


async def test_who_takes_too_slowly_is_let_go_and_told_when_it_comes_back(world: World) -> None:
    client = Client(world.buyer.id, world.buyer.users["buyer"], b"", is_key=False)
    told = [client.tell(Told(n, b"x")) for n in range(WAITING + 1)]
    assert told == [True] * WAITING + [False]
    assert client.ended.is_set()
    assert client.queue.get_nowait() is None


async def test_two_hundred_who_wait_hold_no_connection(world: World) -> None:
    """One listener serves them all; nothing of the pool is in a transaction while they wait, and the server stops at once."""
    many = 200
    names = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'backstock' "
        "AND state <> 'idle'"
    )
    small = Database(world.db.dsn, pool_size=3)
    people = [
        await token_for(world.owner, u, p.id) for p in (world.buyer, world.maker, world.other) for u in p.users.values()
    ]
    try:
        async with AsyncExitStack() as stack:
            app = app_for(small)
            app.state.live = Hub(lambda: small, a_person=many)
            address = await stack.enter_async_context(serving(app))
            async with AsyncExitStack() as waiting:
                streams = [
                    await waiting.enter_async_context(listening(address, people[n % len(people)])) for n in range(many)
                ]
                for stream in streams:
                    await stream.until_ready()
                assert await world.owner.fetchval(names, "backstock-live") == 1
                assert await world.owner.fetchval(busy) == 0
                assert small.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
                record = await happen(world.db, world.buyer, world.maker, world.other)
                assert {(await s.next())[1]["id"] for s in streams} == {record}
            began = time.monotonic()
        assert time.monotonic() - began < 5
    finally:
        await small.close()


async def test_a_page_that_is_open_does_not_keep_the_server_from_stopping(
    world: World, cluster: Credentials, database_name: str, tmp_path: Path
) -> None:
    """As it is started for real, told to stop by its signal."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")}
    environment |= {"BACKSTOCK_DATABASE_URL": cluster.dsn(APP, database_name), "BACKSTOCK_DATA_DIR": str(tmp_path)}
    server = subprocess.Popen(  # noqa: ASYNC220 - it runs beside the test
        [sys.executable, "-m", "marketplace.cli", "serve", "--port", str(port)], cwd=ROOT, env=environment
    )
    try:
        address, token = f"http://127.0.0.1:{port}", await token_of(world, world.buyer)
        async with httpx.AsyncClient() as client:
            async with asyncio.timeout(60):
                while True:
                    try:
                        if (await client.get(f"{address}/healthz")).status_code == 200:
                            break
                    except httpx.TransportError:
                        await asyncio.sleep(0.1)
        async with listening(address, token) as stream:
            await stream.until_ready()
            began = time.monotonic()
            server.send_signal(signal.SIGTERM)
            with pytest.raises((StopAsyncIteration, httpx.TransportError)):
                await stream.next()
            await asyncio.to_thread(server.wait, 15)
        assert time.monotonic() - began < 3
    finally:
        server.kill()
        server.wait()


async def test_positions_are_given_once_and_without_a_gap(world: World, worker_db: Database) -> None:
    """However many give them at the same time."""

    async def one() -> None:
        await happen(world.db, world.buyer)
        await place(worker_db)

    await asyncio.gather(*(one() for _ in range(20)))
    async with worker_db.read() as session:
        assert await fetch_value(session, "SELECT count(*) FROM outbox_event WHERE position IS NULL") == 0
        rows = await fetch(session, "SELECT max(position) - min(position) + 1 AS span, count(*) AS n FROM outbox_event")
    assert rows[0]["span"] == rows[0]["n"]

"""Using the demo: locating many pasted numbers, an urgent order back, pages, the weight of a first visit, memory.

Runs ``backstock demo`` on fresh data, as a stranger would, and asks it over HTTP on the same machine."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
from playwright.async_api import async_playwright

from marketplace.app import spare_the_collector
from marketplace.db.embedded import APP, OWNER, EmbeddedServer
from marketplace.db.session import Database, Tenant, driver
from marketplace.parties.actor import Actor
from marketplace.sourcing.endpoints.places import locate
from marketplace.sourcing.queries.looking_up import places_each
from marketplace.sourcing.schemas.places import LocateIn
from tests import demo_site
from tests.benchmarks.bench import Credentials, Figure, percentile, size
from tests.benchmarks.searching import mistyped
from tests.browser.conftest import ARGUMENTS, WITHOUT_GRAPHICS, chromium
from tests.clients import token_for

TECHNICIAN = "technician@northfield.example"


async def _times(count: int, ask: Callable[[int], Awaitable[object]], warm: int = 3) -> list[float]:
    """Milliseconds of each ``ask(n)``, one after the other, after ``warm`` that do not count."""
    taken = []
    for n in range(-min(warm, count), count):
        began = time.perf_counter()
        await ask(n)
        if n >= 0:
            taken.append((time.perf_counter() - began) * 1000)
    return taken


_Located = Callable[[str], Awaitable[object]]


class _Floor:
    """What the database alone takes: the statements of an answer, once more over bare asyncpg, in one transaction."""

    def __init__(self, bare: asyncpg.Connection) -> None:
        self.bare = bare
        self.sent: list[tuple[str, tuple[object, ...]]] = []

    async def __call__(self) -> float:
        """Milliseconds of the statements sent since the last call."""
        sent, self.sent = self.sent, []
        async with self.bare.transaction(readonly=True):
            began = time.perf_counter()
            for statement, arguments in sent:
                await self.bare.fetch(statement, *arguments)
            return (time.perf_counter() - began) * 1000

    def note(self, query: asyncpg.connection.LoggedQuery) -> None:
        if not query.query.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            self.sent.append((query.query, tuple(query.args)))


async def _locate(service: _Located, floor: _Floor, http: _Located, numbers: list[str]) -> list[Figure]:
    """Each list is asked in the service (whose answer is the finished rows), then of the bare database, then over
    HTTP."""
    chance = random.Random(5)
    count = min(size(500, 20), len(numbers))
    figures = []
    for name, share, rounds in (("locate.bulk500", 0.05, 24), ("locate.bulk500_mistyped", 1.0, 8)):
        lists = [
            "\n".join(mistyped(n, chance) if chance.random() < share else n for n in chance.sample(numbers, count))
            for _ in range(size(rounds, 2) + 3)
        ]
        for suffix, ask, where in (("", service, "in the service"), ("_http", http, "over HTTP")):
            bare: list[float] = []

            async def one(
                n: int,
                lists: list[str] = lists,
                ask: _Located = ask,
                bare: list[float] = bare,
                *,
                inside: bool = not suffix,
            ) -> float:
                began = time.perf_counter()
                await ask(lists[n + 3])
                taken = (time.perf_counter() - began) * 1000
                if inside:
                    bare.append(await floor())
                return taken

            taken = [await one(n) for n in range(-3, size(rounds, 2))][3:]
            note = f"{where}; {count} numbers, {share:.0%} mistyped, with stock, rights, prices, why not; the nearest {places_each(count)} places of a part; median {percentile(taken, 0.5):,.0f}"
            value, least = percentile(taken, 0.95), percentile(bare[3:], 0.95) if bare else None
            if least:
                note += "; floor: its statements over bare asyncpg"
            figures.append(Figure(name + suffix, value, "ms", least, value / least if least else None, 1, note))
    return figures


def _in_service(database: Database, actor: Actor) -> _Located:
    async def ask(numbers: str) -> object:
        async with database.read(Tenant(actor.company_id)) as session:
            return await locate(session, actor, LocateIn(numbers=numbers), datetime.now(UTC))

    return ask


def _over_http(client: httpx.AsyncClient) -> _Located:
    async def ask(numbers: str) -> object:
        answer = await client.post("/api/v1/sourcing/locate", json={"numbers": numbers})
        assert answer.status_code == 200, answer.text
        return answer

    return ask


async def _urgent(client: httpx.AsyncClient, numbers: list[str], site: UUID) -> Figure:
    """A machine is down: the chosen place is ordered back, units reserved, notice given. Half the minimum of a plan."""
    located = await client.post(
        "/api/v1/sourcing/locate", json={"numbers": "\n".join(numbers[:300]), "urgency": "machine_down"}
    )
    chosen = [
        (part["part_id"], candidate["key"])
        for found in located.json()
        for part in found["parts"]
        for candidate in part["candidates"][:1]
        if candidate["callable"] > 0
    ]
    wanted = size(40, 4)
    assert len(chosen) >= wanted + 3, "too few places to order from"
    needed = (datetime.now(UTC) + timedelta(days=3)).isoformat()

    async def ask(n: int) -> None:
        part, key = chosen[n + 3]
        answer = await client.post(
            "/api/v1/sourcing/order-back",
            headers={"Idempotency-Key": str(uuid4())},
            json={
                "key": key, "part_id": part, "quantity": 1, "destination_site_id": str(site), "needed_by": needed,
                "urgency": "machine_down", "machine_model": "EX-200", "machine_serial": str(n),
            },
        )  # fmt: skip
        assert answer.status_code in (200, 201), answer.text

    taken = await _times(wanted, ask)
    return Figure(
        "call.urgent", percentile(taken, 0.95), "ms", None, None, 1, "over HTTP, notice and reservation committed"
    )


async def _pages(client: httpx.AsyncClient, numbers: list[str], lots: list[UUID]) -> list[Figure]:
    async def page(path: str) -> None:
        answer = await client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"

    rounds = min(size(100, 4), len(numbers) - 3, len(lots) - 3)
    find = await _times(rounds, lambda n: page(f"/find?q={numbers[n + 3]}"))
    unit = await _times(rounds, lambda n: page(f"/units/{lots[n + 3]}"))
    due = await _times(rounds, lambda n: page("/calendar" if n % 2 else "/calendar?show=mine"))
    return [
        Figure(
            "page.calendar", percentile(due, 0.95), "ms", None, None, 1, "what is due for the manufacturer, its month"
        ),
        Figure(
            "page.find", percentile(find, 0.95), "ms", None, None, 1, "server time and HTTP on one machine, demo data"
        ),
        Figure("page.unit", percentile(unit, 0.95), "ms", None, None, 1, "the units with the longest histories"),
    ]


async def _first_load(url: str, token: str) -> Figure:
    """Bytes over the wire for the first visit of the find page in a real browser with an empty cache."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS, *WITHOUT_GRAPHICS])
        context = await browser.new_context()
        await context.add_cookies([{"name": "backstock_session", "value": token, "url": url}])
        page = await context.new_page()
        watcher = await context.new_cdp_session(page)
        received: list[float] = []
        watcher.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        await watcher.send("Network.enable")
        await page.goto(f"{url}/find", wait_until="networkidle")
        await browser.close()
    return Figure(
        "page.first_load", sum(received) / 1024, "kB", None, None, 1, f"{len(received)} files, compressed, find page"
    )


def _memory(pid: int) -> Figure:
    """The largest resident size among the demo's Python processes now, after the load and all that was asked above."""
    sizes = []
    for process in (pid, *_children(pid)):
        status = Path(f"/proc/{process}/status").read_text()
        name = status.split("\n", 1)[0]
        if "postgres" not in name:
            sizes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    return Figure(
        "app.memory",
        max(sizes),
        "MB",
        None,
        None,
        1,
        "resident, a process that serves, after the demo load and this run",
    )


def _children(pid: int) -> list[int]:
    found = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(g for child in found for g in _children(child))]


async def _measure(site: demo_site.DemoSite, pid: int) -> list[Figure]:
    known = EmbeddedServer(site.data_dir).credentials()
    assert known is not None
    owner = await asyncpg.connect(known.dsn(OWNER))
    user = await owner.fetchrow("SELECT id, company_id FROM user_account WHERE email = $1", TECHNICIAN)
    token = await token_for(owner, user["id"], user["company_id"])
    depot = await owner.fetchval("SELECT id FROM site WHERE company_id = $1 ORDER BY code LIMIT 1", user["company_id"])
    numbers = [
        r[0]
        for r in await owner.fetch(
            "SELECT p.number_norm FROM part p WHERE EXISTS (SELECT FROM position s WHERE s.part_id = p.id "
            "AND s.beneficiary_id = $1 AND s.quantity > 0) ORDER BY md5(p.number_norm) LIMIT 5000",
            user["company_id"],
        )
    ]
    lots = [
        r[0]
        for r in await owner.fetch(
            "SELECT lot_id FROM lot WHERE $1 = ANY (parties) ORDER BY last_seq DESC, lot_id LIMIT 300",
            user["company_id"],
        )
    ]
    await owner.close()
    async with httpx.AsyncClient(base_url=site.url, cookies={"backstock_session": token}, timeout=60) as client:
        actor = Actor(
            user["id"], user["company_id"], "", "", "", is_manufacturer=True, is_partner=False, currency="USD",
            roles=frozenset({"technician"}),
        )  # fmt: skip
        database = Database(known.dsn(APP), pool_size=1)
        floor = _Floor(await asyncpg.connect(known.dsn(APP)))
        # As the application does when it starts: what is loaded by now stays.
        spare_the_collector()
        async with database.read(Tenant(actor.company_id)) as session:
            (await driver(session)).add_query_logger(floor.note)  # the pool's only connection
        figures = await _locate(_in_service(database, actor), floor, _over_http(client), numbers)
        await floor.bare.close()
        await database.close()
        figures += await _pages(client, numbers, lots)
        figures.append(await _urgent(client, numbers, depot))
    figures.append(await _first_load(site.url, token))
    figures.append(_memory(pid))
    figures.append(
        Figure("demo.first_load", site.seconds, "s", None, None, 1, "migrate, load, serve; packages installed")
    )
    return figures


def run(_: Credentials) -> list[Figure]:
    """locate.*, page.*, call.urgent, app.memory, demo.first_load. BACKSTOCK_BENCH_DEMO: the folder of a demo that runs already
    and is left running, so that a test run need not load a second one."""
    if running := os.environ.get("BACKSTOCK_BENCH_DEMO"):
        site = demo_site.start_once(Path(running))
        return asyncio.run(_measure(site, int((Path(running) / "pid").read_text())))
    folder = Path(tempfile.mkdtemp(prefix="backstock-bench-demo-"))
    folder.chmod(0o755)
    try:
        site = demo_site.start_once(folder)
        return asyncio.run(_measure(site, int((folder / "pid").read_text())))
    finally:
        demo_site.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)

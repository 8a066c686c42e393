"""Strange requests at every operation of the API, made from its own description: whatever comes back is an answer.

Half of the requests are as described, half break the description somewhere; ids in them are those of real records, whatever they are of,
so that they come past the door. They are sent by people of both sides who may do everything, in a database of their own. A run asks each
operation a few times; ``make test-fuzz`` asks each BACKSTOCK_FUZZ times (200 there), from the seed in BACKSTOCK_FUZZ_SEED.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation

from marketplace.db.session import Database
from marketplace.ledger.queries import CHECKS, verify
from marketplace.settings import Settings
from tests import own_database
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import Job
from tests.marketplace.test_lists import SPEC, round_of_everything
from tests.world import World

name, owner, db, worker_db = own_database.FIXTURES

EACH = int(os.environ.get("BACKSTOCK_FUZZ", "1"))
SEED = int(os.environ.get("BACKSTOCK_FUZZ_SEED", "1"))
ENDLESS = "/live"
"""Its answer does not end."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def operations() -> Iterator[APIOperation[Any, Any, Any, Any]]:
    """Every operation of the description but the one that never ends."""
    schema = schemathesis.openapi.from_dict(SPEC)
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path != ENDLESS:
            yield operation


def drawn(operation: APIOperation[Any, Any, Any, Any], many: int) -> list[Any]:
    """So many requests, half of them as described; the same for the same seed."""
    found: list[Any] = []
    for mode, share in ((GenerationMode.POSITIVE, (many + 1) // 2), (GenerationMode.NEGATIVE, many // 2)):
        if not share:
            continue

        @seed(SEED)
        @settings(
            max_examples=share,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def collect(case: Any) -> None:
            found.append(case)

        with suppress(Unsatisfiable):  # an operation that takes nothing cannot be asked wrongly
            collect()
    return found


@dataclass
class Real:
    """Ids of records, by what refers to them, and some of everything."""

    ids: Mapping[str, list[str]]
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    @classmethod
    async def read(cls, owner: asyncpg.Connection) -> Real:
        tables = await owner.fetch(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id' AND data_type = 'uuid'"
        )
        found = {}
        for row in tables:
            ids = await owner.fetch(f'SELECT id FROM "{row["table_name"]}" ORDER BY id LIMIT 40')
            found[row["table_name"]] = [str(r["id"]) for r in ids]
        lots = await owner.fetch("SELECT lot_id FROM lot ORDER BY lot_id LIMIT 40")
        return cls(found | {"lot": [str(r["lot_id"]) for r in lots]})

    def one(self, named: str) -> str:
        """Of what a field's name says, now and then of anything."""
        stem = named.removesuffix("s").removesuffix("_id")
        fitting = [
            ids
            for table, ids in self.ids.items()
            if ids and (table == stem or table.endswith(f"_{stem}") or stem.endswith(f"_{table}"))
        ]
        every = [ids for ids in self.ids.values() if ids]
        return self.chance.choice(self.chance.choice(fitting if fitting and self.chance.random() < 0.9 else every))

    def within(self, value: Any, named: str = "") -> Any:
        """The value with every id in it changed for a real one, most times."""
        if isinstance(value, dict):
            return {k: self.within(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.within(v, named) for v in value]
        if isinstance(value, str) and _ID.fullmatch(value) and self.chance.random() < 0.9:
            return self.one(named)
        return value


def request_of(case: Any, real: Real) -> dict[str, Any]:
    """What httpx is given for a request."""
    if isinstance(case.path_parameters, dict):
        case.path_parameters = {
            k: real.one(k) if k.endswith("_id") and real.chance.random() < 0.9 else v
            for k, v in case.path_parameters.items()
        }
    case.body = real.within(case.body)
    kwargs = dict(case.as_transport_kwargs(base_url="http://test"))
    kwargs.pop("cookies", None)
    headers = {
        k: v
        for k, v in (kwargs.pop("headers", None) or {}).items()
        if k.lower() not in {"cookie", "authorization", "user-agent"}
    }
    found: dict[str, Any] = {"method": kwargs["method"], "url": kwargs["url"], "params": kwargs.get("params")}
    if (files := kwargs.get("files")) is not None:
        found["files"] = files
        if isinstance(kwargs.get("data"), dict):
            found["data"] = kwargs["data"]
        headers = {k: v for k, v in headers.items() if k.lower() != "content-type"}
    elif "json" in kwargs:
        found["content"] = json.dumps(kwargs["json"]).encode("utf-8", "surrogatepass")
        headers["content-type"] = "application/json"
    elif kwargs.get("data") is not None:
        data = kwargs["data"]
        found["content"] = (
            data
            if isinstance(data, bytes)
            else data.encode("utf-8", "surrogatepass")
            if isinstance(data, str)
            else json.dumps(data).encode()
        )
    headers["idempotency-key"] = str(uuid4())
    return found | {
        "headers": {
            k: v.encode("utf-8", "replace").decode("latin-1") if isinstance(v, str) else v for k, v in headers.items()
        }
    }


async def everybody(world: World, app: Any, stack: AsyncExitStack) -> list[httpx.AsyncClient]:
    """Somebody of each side who may do all that the side may."""
    clients = []
    for party in (world.maker, world.buyer):
        user = party.users["admin"]
        roles = ["admin", "planner", "buyer", "seller", "warehouse", "technician"]
        await world.owner.execute("UPDATE user_account SET roles = $2 WHERE id = $1", user, roles)
        clients.append(
            await stack.enter_async_context(client_for(app, await token_for(world.owner, user, party.id, hours=9)))
        )
    return clients


async def test_every_operation_answers(
    owner: asyncpg.Connection, db: Database, worker_db: Database, tmp_path: Any
) -> None:
    """No server error, every refusal in words, and the ledger adds up afterwards."""
    world = await World.make(owner, db)
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await round_of_everything(job, 1)
        app = app_for(db, Settings(data_dir=tmp_path))
        people = await everybody(world, app, stack)
        real = await Real.read(owner)
        faults: list[str] = []
        answered: dict[int, int] = {}
        for operation in operations():
            for number, case in enumerate(drawn(operation, EACH)):
                given = request_of(case, real)
                try:
                    answer = await people[number % 2].request(**given)
                except (httpx.InvalidURL, UnicodeError, ValueError):
                    continue  # nothing that could be sent
                answered[answer.status_code // 100] = answered.get(answer.status_code // 100, 0) + 1
                told = answer.headers.get("content-type", "")
                if answer.status_code >= 500:
                    faults.append(f"{operation.label}: {answer.status_code} {answer.text[:300]} to {given}")
                elif answer.status_code >= 400 and not (told == "application/problem+json" and answer.json()["detail"]):
                    faults.append(
                        f"{operation.label}: {answer.status_code} without words: {answer.text[:200]} to {given}"
                    )
        assert not faults, f"{len(faults)} of {sum(answered.values())}:\n" + "\n".join(faults[:20])
        assert answered.get(4, 0) > answered.get(2, 0) > 0
        print(f"answers by hundreds: {answered}")
    for check in CHECKS:
        async with worker_db.read() as session:
            assert await verify(session, check) == [], check


KINDS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "/api/v1/imports": ("file", {}),
    "/api/v1/demand": ("file", {}),
    "/api/v1/documents": ("file", {"on": "part", "kind": "photo"}),
}


def broken_files(chance: random.Random, many: int) -> Iterator[tuple[str, bytes]]:
    """Real files of each kind with something in them overwritten, cut off, doubled or put in place of something else."""
    from tests.fuzz_files import samples

    whole = samples()
    for _ in range(many):
        named, content = chance.choice(whole)
        piece = bytearray(content)
        for _ in range(chance.randint(0, 4)):
            at, size = chance.randrange(len(piece) + 1), chance.randrange(1, 64)
            what = chance.randrange(5)
            if what == 0:
                piece[at : at + size] = chance.randbytes(size)
            elif what == 1:
                del piece[at:]
            elif what == 2:
                piece[at:at] = piece[at : at + size] * chance.choice((1, 3, 400))
            elif what == 3:
                piece[at : at + size] = chance.choice(
                    (
                        b"\0" * 9,
                        b"\xff\xfe",
                        b'"',
                        b"'",
                        b";;;;",
                        b"\r",
                        b"=cmd|' /C calc'!A0",
                        b"\xed\xa0\x80",
                        b"1e999999",
                    )
                )
            else:
                piece = bytearray(chance.choice(whole)[1][:at]) + piece[at:]
        yield chance.choice((named, "x.csv", "x.xlsx", "x.pdf", "x", "../../x.csv", "x.svg")), bytes(piece)


async def test_no_file_breaks_an_upload(owner: asyncpg.Connection, db: Database, tmp_path: Any) -> None:
    """Uploaded, read, checked and landed, or refused in words; the ledger's totals are those of what landed."""
    world = await World.make(owner, db)
    chance = random.Random(SEED)
    async with AsyncExitStack() as stack:
        app = app_for(db, Settings(data_dir=tmp_path))
        people = await everybody(world, app, stack)
        taken = 0
        for number, (named, content) in enumerate(broken_files(chance, 20 * EACH)):
            for path, (cell, more) in KINDS.items():
                client = people[number % 2]
                on = (
                    {"on_id": str(world.part)}
                    if "on" in more
                    else {"default_site_id": str((world.maker, world.buyer)[number % 2].site)}
                )
                answer = await client.post(path, data={**more, **on}, files={cell: (named, content)})
                assert answer.status_code < 500, (path, named, content[:200], answer.text)
                if answer.status_code >= 400:
                    assert answer.json()["detail"], (path, named)
                    continue
                taken += 1
                if path != "/api/v1/imports":
                    continue
                job = UUID(answer.json()["id"])
                for step, body in (("validate", None), ("apply", {})):
                    on_it = (
                        await client.post(f"{path}/{job}/{step}", json=body)
                        if body is not None
                        else await client.post(f"{path}/{job}/{step}")
                    )
                    assert on_it.status_code < 500, (step, named, content[:300], on_it.text)
                for read in ("issues", "issues.csv", "rows", "changes"):
                    assert (await client.get(f"{path}/{job}/{read}")).status_code < 500, (read, named, content[:300])
        assert taken > 0

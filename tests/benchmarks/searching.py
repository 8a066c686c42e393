"""search.*: one number found in a large catalogue with a large stock beside it, in the service and over HTTP; and
locating 500 pasted numbers."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import httpx

from marketplace.db.session import Database
from marketplace.parts import queries
from marketplace.parts.numbers import Asked, parse_list
from tests.benchmarks.bench import APP, Credentials, Figure, owner_of, percentile, rows, serving, size, timed
from tests.clients import token_for
from tests.world import World

CLIENTS = 8
_LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"


def number_of(n: int) -> str:
    """A believable part number, the same for the same ``n``: letters, digits, a suffix."""
    chance = random.Random(n)
    head = "".join(chance.choices(_LETTERS, k=chance.choice((1, 2, 3))))
    return f"{head}{chance.randrange(10**6):06d}{chance.choice(_LETTERS)}{n % 97:02d}"


def mistyped(number: str, chance: random.Random) -> str:
    """One wrong digit in the middle."""
    at = chance.randrange(2, len(number) - 2)
    wrong = chance.choice([c for c in "0123456789" if c != number[at]])
    return number[:at] + wrong + number[at + 1 :]


async def load(owner: asyncpg.Connection, world: World, parts: int, positions: int) -> list[str]:
    """The catalogue by COPY, and stock of it by one INSERT ... SELECT per table."""
    numbers = [number_of(n) for n in range(parts)]
    await owner.copy_records_to_table(
        "part",
        columns=["maker_id", "number", "number_norm", "description", "uom"],
        records=((world.maker_row, f"{n}/{i}", f"{n}{i}", "BENCH PART", "EA") for i, n in enumerate(numbers)),
    )
    await owner.execute(
        "INSERT INTO part_number (part_id, number, number_norm, scheme) "
        "SELECT id, split_part(number, '/', 1), split_part(number, '/', 1), 'maker' FROM part WHERE description = 'BENCH PART'"
    )
    per_part = max(1, positions // parts)
    # Stock spread over the parts, so that the tables beside the catalogue have their true size in the cache.
    await owner.execute(
        "INSERT INTO lot (lot_id, part_id, serialised, uom, registered_by, root_lot_id, parties, last_seq, last_position, "
        "last_recorded_at, last_occurred_at) SELECT gen_random_uuid(), p.id, false, 'EA', $1, gen_random_uuid(), "
        "ARRAY[$1::uuid], 1, 1, now(), now() FROM part p CROSS JOIN generate_series(1, $2::int) "
        "WHERE p.description = 'BENCH PART'",
        world.maker.id,
        per_part,
    )
    await owner.execute(
        "INSERT INTO position (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition, quantity, "
        "held) SELECT lot_id, 1, part_id, false, $1, $1, $2, 'new', 1 + (hashtext(lot_id::text) & 7), 0 FROM lot",
        world.maker.id,
        world.maker.site,
    )
    await owner.execute("VACUUM ANALYZE")
    return numbers


def questions(numbers: list[str]) -> dict[str, list[str]]:
    """What is asked by step; each is sure to be answered by that step or a later one."""
    chance = random.Random(1)
    return {
        "exact": [chance.choice(numbers) for _ in range(2_000)],
        "prefix": [chance.choice(numbers)[:-2] for _ in range(2_000)],
        "substring": [chance.choice(numbers)[1:-1] for _ in range(500)],
        "fuzzy": [mistyped(chance.choice(numbers), chance) for _ in range(300)],
    }


async def _measure(credentials: Credentials) -> list[Figure]:
    parts, positions = rows(1_000_000, 2_000), rows(5_000_000, 6_000)
    database = Database(credentials.dsn(APP), pool_size=CLIENTS)
    figures: list[Figure] = []
    async with owner_of(credentials) as owner:
        world = await World.make(owner, database)
        numbers = await load(owner, world, parts, positions)
        asked = questions(numbers)
        note = f"p95 in the service; {parts:,} parts, {positions:,} stock lines"

        async def ask(*norms: str) -> queries.Found:
            async with database.read(world.maker.tenant) as session:
                return await queries.find(session, [Asked(n, n) for n in norms])

        for step, rounds in {"exact": 200, "prefix": 200, "substring": 40, "fuzzy": 15}.items():
            many = asked[step]

            async def one(client: int, turn: int, many: list[str] = many) -> None:
                found = await ask(many[(client * 211 + turn) % len(many)])
                assert found.hits or many is asked["fuzzy"], "nothing was found"

            await timed(CLIENTS, 3, one)
            taken = await timed(CLIENTS, size(rounds, 3), one)
            figures.append(Figure(f"search.{step}", percentile(taken, 0.95), "ms", None, None, CLIENTS, note))
        token = await token_for(owner, world.maker.users["planner"], world.maker.id)
        async with serving(credentials) as url:
            figures += [await _over_http(url, token, step, asked[step]) for step in ("exact", "prefix")]
        figures += await _bulk(database, world, numbers, asked)
    await database.close()
    return figures


async def _over_http(url: str, token: str, step: str, many: list[str]) -> Figure:
    async with httpx.AsyncClient(base_url=url, cookies={"backstock_session": token}) as client:

        async def one(number: int, turn: int) -> None:
            answer = await client.post("/api/v1/parts/find", json={"numbers": many[(number * 97 + turn) % len(many)]})
            assert answer.status_code == 200, answer.text

        await timed(CLIENTS, 3, one)
        taken = await timed(CLIENTS, size(60, 2), one)
    return Figure(
        f"search.{step}_http",
        percentile(taken, 0.95),
        "ms",
        None,
        None,
        CLIENTS,
        "p95, backstock serve with one process, on the same machine",
    )


async def _bulk(database: Database, world: World, numbers: list[str], asked: dict[str, list[str]]) -> list[Figure]:
    """500 numbers at once: 5 % of them not exact, and all of them mistyped."""
    chance = random.Random(3)
    count = size(500, 40)
    figures = []
    for name, share in (("search.bulk500", 0.05), ("search.bulk500_mistyped", 1.0)):
        taken = []
        for turn in range(size(4, 2)):
            pasted = [mistyped(n, chance) if chance.random() < share else n for n in chance.sample(numbers, count)]
            wanted = parse_list("\n".join(pasted))

            async def one(client: int, turn: int, wanted: tuple[Asked, ...] = wanted) -> None:
                async with database.read(world.maker.tenant) as session:
                    await queries.find(session, wanted)

            times = await timed(1, 1, one)
            if turn:
                taken += times
        figures.append(
            Figure(name, percentile(taken, 0.95), "ms", None, None, 1, f"{count} numbers, {share:.0%} mistyped")
        )
    return figures


def run(credentials: Credentials) -> list[Figure]:
    """search.exact, .prefix, .substring, .fuzzy, over HTTP, and many at once."""
    return asyncio.run(_measure(credentials))

"""find.*: what is on offer with facets and counts among a million listings, by a partner with prices, blocks and windows in force; and
covering a list of 500 numbers."""

from __future__ import annotations

import asyncio
import json
import random

import asyncpg

from marketplace.agreements.presets import PRESETS
from marketplace.db.session import Database
from marketplace.listings import queries
from marketplace.listings.facets import COUNTED
from marketplace.listings.queries.offers import Filters
from marketplace.parts.numbers import Asked
from tests.benchmarks.bench import APP, Credentials, Figure, owner_of, percentile, rows, size, timed
from tests.web.trade import publish
from tests.world import Party, World, make_company

CONDITIONS = ("new", "new_old_stock", "used", "refurbished")
COUNTRIES = ("US", "DE", "FR", "NL", "PL", "CA", "MX", "GB")
SELLERS, CLASSES, MAKERS = 40, 60, 25


async def load(owner: asyncpg.Connection, world: World, listings: int) -> list[Party]:
    """Sellers with postings of a thousand lines each; parts of many classes and makers."""
    await publish(owner)
    sellers = [await make_company(owner, f"SE{n:03d}", manufacturer=True) for n in range(size(SELLERS, 4))]
    await owner.execute(
        "INSERT INTO part_class (code, name) SELECT to_char(n, 'FM0000'), 'Class ' || n FROM generate_series(1, $1) n "
        "ON CONFLICT DO NOTHING", CLASSES,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO maker (code, name) SELECT 'BM' || n, 'Maker ' || n FROM generate_series(1, $1) n", MAKERS
    )
    parts = max(listings // 5, 100)
    await owner.execute(
        "INSERT INTO part (maker_id, number, number_norm, description, uom, class_code) "
        "SELECT m.ids[1 + n % cardinality(m.ids)], 'B' || n, 'B' || n, 'BENCH PART', 'EA', to_char(1 + (n * 7919) % $2, 'FM0000') "
        "FROM generate_series(1, $1) n, (SELECT array_agg(id) AS ids FROM maker) m", parts, CLASSES,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO part_number (part_id, number, number_norm, scheme) SELECT id, number, number_norm, 'maker' FROM part "
        "WHERE description = 'BENCH PART'"
    )
    for number, preset in enumerate((PRESETS["standard-buy-back"], PRESETS["wide-access"])):
        await owner.execute(
            "INSERT INTO release (reference, company_id, title, clause, version, terms, use_class, currency, audience, audience_ids, "
            "status, created_by, published_at) SELECT 'REL-B' || $1::int || '-' || n, s.ids[1 + n % cardinality(s.ids)], 'Bench', $2, $3, "
            "$4::jsonb, CASE WHEN n % 3 = 0 THEN 'intermediate_good' ELSE 'non_capital_spare' END, 'USD', 'all', '{}', 'published', $5, now() "
            "FROM generate_series(1, $6) n, (SELECT $7::uuid[] AS ids) s",
            number, preset.clause, preset.version, json.dumps(dict(preset.values)), world.maker.actor, max(listings // 2000, 4), [s.id for s in sellers],
        )  # fmt: skip
    # The copies that a trigger keeps of each row are made by a join here: a million single look-ups take minutes.
    await owner.execute("ALTER TABLE listing DISABLE TRIGGER listing_copies")
    await owner.execute(
        "INSERT INTO listing (class_code, maker_id, clauses, use_class, currency, release_id, company_id, part_id, site_id, place, region, country, lat, lon, condition, quantity, unit_price, "
        "minimum_quantity, package_quantity, published) "
        "SELECT q.class_code, q.maker_id, ARRAY[s.clause], s.use_class, s.currency, s.id, s.company_id, q.id, $2, "
        "'Town', 'RG', ($4::text[])[1 + (hashint4(n) & 7)], 40 + n % 10, -90 + n % 20, ($3::text[])[1 + (hashint4(n * 3) & 3)], "
        "1 + (hashint4(n * 5) & 255), 1 + (hashint4(n * 7) & 4095), 1, 1, true "
        "FROM generate_series(1, $1::int) n "
        "JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS at FROM release) s ON s.at = n % $6::int "
        "JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS at FROM part WHERE description = 'BENCH PART') q "
        "ON q.at = (n::bigint * 48271) % $5::int",
        listings, world.maker.site, list(CONDITIONS), list(COUNTRIES), parts, 2 * max(listings // 2000, 4),
    )  # fmt: skip
    await owner.execute("ALTER TABLE listing ENABLE TRIGGER listing_copies")
    # One seller has blocked the buyer, one grants it a price.
    await owner.execute(
        "INSERT INTO partner_block (company_id, partner_id, reason, recorded_by, recorded_at) VALUES ($1, $2, 'x', $1, now())",
        sellers[0].id, world.buyer.id,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO partner_price (company_id, partner_id, off_bp, recorded_by, recorded_at) VALUES ($1, $2, 500, $1, now())",
        sellers[1].id, world.buyer.id,
    )  # fmt: skip
    await owner.execute("VACUUM ANALYZE")
    return sellers


async def _measure(credentials: Credentials) -> list[Figure]:
    listings = rows(1_000_000, 2_000)
    database = Database(credentials.dsn(APP), pool_size=2)
    figures: list[Figure] = []
    async with owner_of(credentials) as owner:
        world = await World.make(owner, database)
        sellers = await load(owner, world, listings)
        chance = random.Random(5)
        note = f"p95 of the list and of its counts in the service; {listings:,} listings"

        def three() -> queries.Wanted:
            """Three facets of those there are, each with one to three values."""
            every = {
                "classes": [f"{n:04d}" for n in range(1, CLASSES)], "conditions": list(CONDITIONS), "countries": list(COUNTRIES),
                "clauses": ["buy-back", "access-back"], "sellers": [s.id for s in sellers], "uses": ["non_capital_spare"],
            }  # fmt: skip
            names = chance.sample(sorted(every), 3)
            return queries.Wanted(**{
                n: tuple(chance.sample(every[n], min(len(every[n]), chance.randint(1, 3)))) for n in names
            })  # type: ignore[arg-type]  # fmt: skip

        async def bare(_client: int, _turn: int) -> None:
            """The floor: ids of what fits, as many as are counted at most, without rule, prices, counts or words."""
            filters = Filters(three())
            sql = f"SELECT l.id FROM listing l WHERE {filters.where()} LIMIT {COUNTED + 1}"
            await owner.fetch(sql, *filters.values)

        await timed(1, 3, bare)
        floor = percentile(await timed(1, size(120, 4), bare), 0.95)
        for name in ("find.facets3", "find.list3"):

            async def one(_client: int, _turn: int, name: str = name) -> None:
                async with database.read(world.buyer.tenant) as session:
                    if name == "find.facets3":
                        await queries.facets(session, three())
                    else:
                        await queries.browse(session, three())

            await timed(1, 3, one)
            taken = await timed(1, size(120, 4), one)
            slow = percentile(taken, 0.95)
            figures.append(Figure(name, slow, "ms", floor, slow / floor, 1, note))
            figures.append(Figure(f"{name}_p50", percentile(taken, 0.5), "ms", None, None, 1, note))
    await database.close()
    figures += await _cover(credentials)
    return figures


async def _cover(credentials: Credentials) -> list[Figure]:
    """500 numbers over as many offers as 100,000 listings have of them, of half of which only packages are sold."""
    database = Database(credentials.dsn(APP), pool_size=2)
    async with owner_of(credentials) as owner:
        world = await World.make(owner, database)
        numbers = [
            r["number"]
            for r in await owner.fetch("SELECT number FROM part WHERE description = 'BENCH PART' ORDER BY id LIMIT 500")
        ]
        # The rest is taken off the market: 100,000 are left, and of the parts that are asked for there are 50 offers each.
        await owner.execute(
            "UPDATE listing SET published = false WHERE id NOT IN (SELECT id FROM listing ORDER BY id LIMIT $1)",
            rows(100_000, 1_000),
        )
        await owner.execute(
            "UPDATE listing l SET part_id = p.ids[1 + (x.n / 4) % cardinality(p.ids)], "
            "package_quantity = CASE WHEN x.n % 8 = 0 THEN 5 ELSE 1 END, minimum_quantity = CASE WHEN x.n % 8 = 0 THEN 10 ELSE 1 END, "
            "quantity = 5 * l.quantity FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM listing WHERE published) x, "
            "(SELECT array_agg(id ORDER BY id) AS ids FROM part WHERE number = ANY($1::text[])) p WHERE x.id = l.id AND x.n % 4 = 0",
            numbers,
        )
        await owner.execute("VACUUM ANALYZE listing")
        chance = random.Random(7)
        needs = [queries.Need(Asked(n, n), chance.randint(1, 400)) for n in numbers]

        async def one(_client: int, _turn: int) -> None:
            async with database.read(world.buyer.tenant) as session:
                found = await queries.cover_list(session, world.buyer.id, needs, "USD")
            assert found.total.amount > 0

        await timed(1, 1, one)
        taken = await timed(1, size(8, 1), one)
    await database.close()
    return [
        Figure(
            "cover.list500", percentile(taken, 0.95) / 1000, "s", None, None, 1, "p95; 500 numbers, 100,000 listings"
        )
    ]


def run(credentials: Credentials) -> list[Figure]:
    """find.facets3, find.list3 and cover.list500."""
    return asyncio.run(_measure(credentials))

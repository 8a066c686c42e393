"""The lines of a posting in bulk: a thousand before lunch, in as many statements as one; nothing kept unless all fit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from marketplace.agreements.combinations import COMBINATIONS
from marketplace.agreements.terms import dump_terms, parse_terms
from marketplace.db.session import Database
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


def line(world: World, part: object, quantity: int, **changed: Any) -> dict[str, Any]:
    return {
        "part_id": str(part), "site_id": str(world.maker.site), "condition": "new", "quantity": quantity,
        "unit_price": "80.00", **changed,
    }  # fmt: skip


async def draft(job: Job) -> str:
    """The address of the lines of an empty draft."""
    await job.released(1)
    terms = (await ok(job.planner.get(f"{API}/releases/{job.release}")))["terms"]
    body = {"title": "Bulk", "clause": "buy-back", "terms": terms, "use_class": "non_capital_spare"}
    made = await ok(job.planner.post(f"{API}/releases", json=body), 201)
    return f"{API}/releases/{made['id']}/lines"


async def kept(job: Job, address: str) -> Sequence[Mapping[str, Any]]:
    return await job.world.owner.fetch(
        "SELECT l.part_id, l.quantity, (SELECT sum(b.quantity)::int FROM listing_lot b WHERE b.listing_id = l.id) AS behind "
        "FROM listing l WHERE l.release_id::text = $1 ORDER BY l.id",
        address.split("/")[-2],
    )


async def test_a_hundred_lines_take_as_many_statements_as_one(job: Job, db: Database) -> None:
    world = job.world
    address = await draft(job)
    lines = []
    for n in range(100):
        part = await world.make_part(f"{world.tag}-BULK-{n}")
        await world.register(world.maker, n + 1, part=part)
        lines.append(line(world, part, n + 1))
    with counted(db) as one:
        await ok(job.planner.put(address, json={"lines": lines[:1]}))
    with counted(db) as hundred:
        made = await ok(job.planner.put(address, json={"lines": lines}))
    assert len(hundred) == len(one)
    assert len(made["listing_ids"]) == 100
    rows = await kept(job, address)
    assert [(str(r["part_id"]), r["quantity"], r["behind"]) for r in rows] == [
        (x["part_id"], x["quantity"], x["quantity"]) for x in lines
    ], "in the order in which they were given, each with units behind it"


async def test_two_lines_never_offer_the_same_unit(job: Job) -> None:
    world = job.world
    address = await draft(job)
    part = await world.make_part(f"{world.tag}-TWICE")
    await world.register(world.maker, 4, part=part)
    await world.register(world.maker, 3, part=part)
    too_many = {"lines": [line(world, part, 5), line(world, part, 3)]}
    answer = await refused(job.planner.put(address, json=too_many), "release.lines")
    assert [(e["field"], e["message"]) for e in answer["errors"]] == [
        ("lines.1.quantity", "Only 2 are free there in that condition and not listed yet, not 3.")
    ]
    assert await kept(job, address) == []
    await ok(job.planner.put(address, json={"lines": [line(world, part, 5), line(world, part, 2)]}))
    twice = await world.owner.fetchval(
        "SELECT count(*) FROM (SELECT b.lot_id, b.position_id FROM listing_lot b JOIN position p USING (lot_id, position_id) "
        "WHERE p.part_id = $1 GROUP BY b.lot_id, b.position_id, p.quantity HAVING sum(b.quantity) > p.quantity) x",
        part,
    )
    assert twice == 0
    assert [r["behind"] for r in await kept(job, address)] == [5, 2]


async def test_every_wrong_line_is_named_and_none_is_kept(job: Job) -> None:
    world = job.world
    address = await draft(job)
    part = await world.make_part(f"{world.tag}-GOOD")
    await world.register(world.maker, 4, part=part)
    await ok(job.planner.put(address, json={"lines": [line(world, part, 1)]}))
    wrong = [
        line(world, part, 2),
        line(world, uuid4(), 1),
        line(world, part, 0),
        line(world, part, 1, site_id=str(world.buyer.site)),
        line(world, part, 9),
    ]
    answer = await refused(job.planner.put(address, json={"lines": wrong}), "release.lines")
    assert [(e["field"], e["code"]) for e in answer["errors"]] == [
        ("lines.1.part_id", "part.not_found"),
        ("lines.2.quantity", "release.quantity"),
        ("lines.3.site_id", "site.not_found"),
        ("lines.4.quantity", "release.not_enough"),
    ]
    assert [r["quantity"] for r in await kept(job, address)] == [1], "what was there stays"


async def test_lines_follow_the_minimum_of_the_terms_unless_they_have_their_own(job: Job) -> None:
    world = job.world
    address = await draft(job)
    release = address.removesuffix("/lines")
    lines = []
    for number, keep in (("FOLLOWS", 0), ("OWN", 2)):
        part = await world.make_part(f"{world.tag}-{number}")
        await world.register(world.maker, 5, part=part)
        lines.append(line(world, part, 5, minimum_to_keep=keep))
    await ok(job.planner.put(address, json={"lines": lines}))
    given = await ok(job.planner.get(release))
    body = {name: given[name] for name in ("title", "clause", "version", "terms", "use_class")}

    async def keeps() -> list[int]:
        rows = await world.owner.fetch(
            "SELECT minimum_to_keep FROM listing WHERE release_id::text = $1 ORDER BY id", release.split("/")[-1]
        )
        return [r[0] for r in rows]

    for minimum, expected in ((0, [0, 2]), (9, [5, 2]), (3, [3, 2])):
        body["terms"] = {**body["terms"], "minimum_to_keep": minimum}
        await ok(job.planner.put(release, json=body))
        assert await keeps() == expected, "never more than the line offers"
    unsaid = [{k: v for k, v in one.items() if k != "minimum_to_keep"} for one in lines]
    await ok(job.planner.put(address, json={"lines": unsaid}))
    assert await keeps() == [3, 3], "a line that states none keeps what the terms say, and not nothing"


@pytest.mark.parametrize(
    ("quantity", "minimum", "package", "field", "words"),
    [
        (10, 1, 7, "quantity", "10 is not a whole number of packages of 7: offer 7 or 14."),
        (18, 1, 7, "quantity", "18 is not a whole number of packages of 7: offer 14."),
        (3, 1, 50, "quantity", "3 is not a whole number of packages of 50: choose a smaller package."),
        (10, 3, 2, "minimum_quantity", "A smallest order of 3 is not a whole number of packages of 2: make it 2 or 4."),
        (
            10,
            9,
            5,
            "minimum_quantity",
            "A smallest order of 9 is not a whole number of packages of 5: make it 5 or 10.",
        ),
    ],
)
async def test_lines_are_offered_in_whole_packages(
    job: Job, quantity: int, minimum: int, package: int, field: str, words: str
) -> None:
    world = job.world
    address = await draft(job)
    part = await world.make_part(f"{world.tag}-PACKS")
    await world.register(world.maker, 20, part=part)
    await ok(job.planner.put(address, json={"lines": [line(world, part, 14, package_quantity=7)]}))
    before = await kept(job, address)
    wrong = line(world, part, quantity, minimum_quantity=minimum, package_quantity=package)
    answer = await refused(job.planner.put(address, json={"lines": [wrong]}), "release.lines")
    assert [(e["field"], e["code"], e["message"]) for e in answer["errors"]] == [
        (f"lines.0.{field}", "release.package", words)
    ]
    assert await kept(job, address) == before
    await ok(job.planner.put(address, json={"lines": [line(world, part, 20, package_quantity=5)]}))


async def test_what_is_left_of_a_reduced_line_is_whole_packages(job: Job) -> None:
    await job.released(21, package_quantity=7)
    await job.ordered(7)
    reduce = f"{API}/listings/{job.listing}/reduce"
    for quantity, nearest in ((17, "14 or 21"), (9, "7 or 14")):
        answer = await refused(job.planner.post(reduce, json={"quantity": quantity}), "listing.package")
        assert f"offer {nearest} in all" in answer["detail"]
    assert (await ok(job.planner.get(f"{API}/releases/{job.release}")))["quantity"] == 21
    await ok(job.planner.post(reduce, json={"quantity": 14}))
    await ok(job.planner.post(reduce, json={"quantity": 7}))


async def test_a_draft_from_before_packages_were_asked_for_is_not_published(job: Job) -> None:
    world = job.world
    address = await draft(job)
    part = await world.make_part(f"{world.tag}-OLD")
    await world.register(world.maker, 20, part=part)
    [made] = (await ok(job.planner.put(address, json={"lines": [line(world, part, 10)]})))["listing_ids"]
    await world.owner.execute("UPDATE listing SET package_quantity = 7 WHERE id::text = $1", made)
    answer = await refused(job.planner.post(f"{address.removesuffix('/lines')}/publish"), "release.package")
    assert f"{world.tag}-OLD" in answer["detail"]
    assert not await world.owner.fetchval("SELECT published FROM listing WHERE id::text = $1", made)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"window_end_months": 6, "renewal_months": 12, "non_renewal_days": 180}, "non_renewal_days"),
        ({"renewal_months": 1, "max_renewals": 2, "non_renewal_days": 30}, "non_renewal_days"),
        ({"minimum_to_keep": 2, "breach_share_bp": 10_000, "breach_cap_bp": 4_000}, "breach_cap_bp"),
    ],
)
async def test_terms_that_nobody_can_keep_to_are_not_posted_though_the_clause_takes_them(
    job: Job, changed: dict[str, object], field: str
) -> None:
    # The form is the typed terms': what was agreed before is read as it stands.
    terms = {
        **dump_terms(COMBINATIONS["access-first"].terms()[0]),
        "renewal": "automatic",
        "max_renewals": 1,
        **changed,
    }
    terms.setdefault("renewal_months", 12)
    clause, version = terms["clause"], terms["version"]
    assert dump_terms(parse_terms(clause, version, terms)) == terms
    body = {"title": "Odd", "clause": clause, "version": version, "terms": terms, "use_class": "non_capital_spare"}
    before = await job.world.owner.fetchval("SELECT count(*) FROM release WHERE company_id = $1", job.world.maker.id)
    answer = await job.planner.post(f"{API}/releases", json=body)
    assert answer.status_code == 422, answer.text
    assert [wrong["field"] for wrong in answer.json()["errors"]] == [field]
    after = await job.world.owner.fetchval("SELECT count(*) FROM release WHERE company_id = $1", job.world.maker.id)
    assert after == before


async def test_nothing_is_posted_under_a_clause_that_is_not_released(job: Job) -> None:
    terms = dump_terms(COMBINATIONS["access-first"].terms()[0])
    body = {"title": "Too early", "clause": "buy-back", "version": 9, "terms": terms, "use_class": "non_capital_spare"}
    before = await job.world.owner.fetchval("SELECT count(*) FROM release WHERE company_id = $1", job.world.maker.id)
    answer = await job.planner.post(f"{API}/releases", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "terms.unknown_clause")
    after = await job.world.owner.fetchval("SELECT count(*) FROM release WHERE company_id = $1", job.world.maker.id)
    assert after == before

"""The search box finds what stands on paper: orders by the buyer's own number, references of all kinds, job numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients import token_for
from tests.counting import counted
from tests.marketplace.main_job import API, ok
from tests.web.job import Site, open_site
from tests.world import World


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as made:
        yield made


async def bought(site: Site, po_number: str) -> str:
    body = {
        "lines": [{"listing_id": site.job.listing, "quantity": 1}], "po_number": po_number,
        "ship_to_site_id": str(site.world.buyer.site),
    }  # fmt: skip
    return str((await ok(site.job.buyer.post(f"{API}/orders", json=body), 201))["id"])


async def test_a_purchase_order_number_leads_to_its_order_for_its_two_sides_only(site: Site) -> None:
    world, tag = site.world, site.world.tag
    await site.job.released(10)
    order = await bought(site, f"Po {tag}/7")
    for party, role in ((world.buyer, "buyer"), (world.maker, "planner")):
        answer = await (await site.browser(party, role)).get("/find", params={"q": f" pO {tag}/7 "})
        assert (answer.status_code, answer.headers.get("location")) == (303, f"/orders/{order}")
    other = await (await site.browser(world.other, "buyer")).get("/find", params={"q": f"PO {tag}/7"})
    assert other.status_code == 200
    assert order not in other.text
    assert await ok(site.job.outsider.get(f"{API}/sourcing/records", params={"number": f"PO {tag}/7"})) == []
    part_of_it = await ok(site.job.buyer.get(f"{API}/sourcing/records", params={"number": f"PO {tag}"}))
    assert part_of_it == [], "exactly this number only"
    [found] = await ok(site.job.buyer.get(f"{API}/sourcing/records", params={"number": f"po {tag}/7"}))
    assert (found["kind"], found["id"], found["by"], found["about"]) == ("order", order, "po_number", world.maker.name)


async def test_a_number_of_several_records_or_of_a_part_as_well_lists_them(site: Site) -> None:
    world = site.world
    await site.job.released(10)
    first, second = await bought(site, f"{world.tag} 1"), await bought(site, f"{world.tag} 1")
    buyer = await site.browser(world.buyer, "buyer")
    page = await buyer.get("/find", params={"q": f"{world.tag} 1"})
    assert page.status_code == 200
    for order in (first, second):
        assert f'href="/orders/{order}"' in page.text
    number = await site.number()
    third = await bought(site, number)
    page = await buyer.get("/find", params={"q": number})
    assert page.status_code == 200, "a part has that number too"
    assert f'href="/orders/{third}"' in page.text
    assert "Found by: exact number" in page.text


async def test_every_reference_and_a_job_number_are_found(site: Site) -> None:
    world, job = site.world, site.job
    await job.sold(4)
    await job.called()
    await job.came_back()
    await world.owner.execute(
        "UPDATE requisition SET job_number = $2 WHERE id = $1::uuid", job.requisition, f"j-{world.tag}"
    )
    line = (await ok(job.buyer.get(f"{API}/settlement")))["items"][0]
    planner = await site.browser(world.maker, "planner")
    for table, kept, path in (
        ("purchase_order", job.order, "orders"), ("agreement", job.agreement, "agreements"), ("call", job.call, "calls"),
        ("requisition", job.requisition, "requests"), ("release", job.release, "releases"),
    ):  # fmt: skip
        reference = await world.owner.fetchval(f"SELECT reference FROM {table} WHERE id = $1::uuid", kept)
        answer = await planner.get("/find", params={"q": reference.lower()})
        assert answer.headers["location"] == f"/{path}/{kept}"
    answer = await planner.get("/find", params={"q": f"J-{world.tag}"})
    assert answer.headers["location"] == f"/requests/{job.requisition}"
    answer = await planner.get("/find", params={"q": line["reference"].lower()})
    assert answer.headers["location"] == f"/settlement/{line['id']}"
    page = await planner.get(answer.headers["location"])
    assert line["reference"] in page.text
    buyer = await site.browser(world.buyer, "buyer")
    hidden = await buyer.get("/find", params={"q": f"J-{world.tag}"})
    assert hidden.status_code == 200, "a holder does not see the request behind the order"
    assert job.requisition not in hidden.text


async def test_kinds_that_a_person_may_not_read_are_left_out_and_it_is_one_statement(site: Site) -> None:
    world, job = site.world, site.job
    await job.released(10)
    order = await bought(site, f"PO-{world.tag}")
    warehouse = await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)
    assert warehouse
    await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
    technician = await site.browser(world.maker, "technician")
    page = await technician.get("/find", params={"q": f"PO-{world.tag}"})
    assert page.status_code == 200
    assert order not in page.text
    assert await ok(job.technician.get(f"{API}/sourcing/records", params={"number": f"PO-{world.tag}"})) == []
    buyer = await site.browser(world.buyer, "buyer")
    with counted(world.db) as one:
        await buyer.get("/find", params={"q": f"{world.tag}-X9"})
    for _ in range(3):
        await bought(site, f"{world.tag}-X9")
    with counted(world.db) as many:
        page = await buyer.get("/find", params={"q": f"{world.tag}-X9"})
    assert page.text.count("Bears this number") == 3
    assert len(many) == len(one)


async def test_the_numbers_are_looked_up_in_indexes_under_row_level_security(site: Site) -> None:
    """Few rows would be scanned: the plan is asked for as if there were many."""
    from marketplace.db.session import fetch
    from marketplace.sourcing.queries.references import _RECORDS

    async with site.world.db.read(site.world.buyer.tenant) as session:
        await fetch(
            session, "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"
        )
        rows = await fetch(
            session, "EXPLAIN " + _RECORDS.replace("$1", "'X'").replace("$2", f"'{site.world.buyer.id}'::uuid")
            .replace("$3", "'{order,posting,agreement,call,request,settlement}'").replace("$4", "21"),
        )  # fmt: skip
    plan = "\n".join(r[0] for r in rows)
    for name in (
        "ix_purchase_order_po_upper", "uq_purchase_order_reference", "ix_requisition_job_upper", "uq_settlement_line_reference",
        "uq_call_reference", "uq_agreement_reference", "uq_release_reference", "uq_requisition_reference",
    ):  # fmt: skip
        assert f"on {name}" in plan or f"using {name}" in plan, plan


async def test_a_number_that_was_pasted_twice_is_said(site: Site) -> None:
    buyer = await site.browser(site.world.buyer, "buyer")
    numbers = [f"{site.world.tag}-N{n}" for n in range(9)]
    page = await buyer.post("/find", data={"q": "\r\n".join([*numbers, numbers[0].lower()])})
    assert "9 numbers" in page.text
    assert "1 number was pasted twice" in page.text
    page = await buyer.post("/find", data={"q": "\r\n".join([*numbers, numbers[0], numbers[0], numbers[1]])})
    assert "3 numbers of the list stood in it before" in page.text
    assert "pasted twice" not in (await buyer.post("/find", data={"q": "\r\n".join(numbers)})).text

"""Where units are, told by the page, its file, the API and the command line: the same by all, narrowed by what there is, and from where
somebody stands."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from marketplace.cli import app as commands
from marketplace.db.session import Tenant
from marketplace.kit.errors import DomainError
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import request_time
from marketplace.parties.service import create_api_key
from tests.browser.conftest import serving
from tests.counting import counted
from tests.marketplace.main_job import API, ok, refused
from tests.web.job import Site, open_site
from tests.world import Party, World

SCOPES = frozenset({"sourcing.read", "company.read"})


@pytest.fixture
async def site(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Units in own stock, at a partner, reserved, and of a part that replaces another; a serial; at one moment."""
    async with open_site(world) as opened:
        now = datetime.now(UTC)
        monkeypatch.setitem(opened.app.dependency_overrides, request_time, lambda: now)
        await opened.job.sold(4, offered=10)
        await opened.job.called(1)
        newer = await world.make_part(f"{world.tag}-100-B")
        await world.register(world.maker, 3, part=newer)
        await world.owner.execute(
            "INSERT INTO supersession (from_part_id, to_part_id, effective_on) VALUES ($1, $2, '2020-01-01')",
            world.part, newer,
        )  # fmt: skip
        lone = await world.make_part(f"{world.tag}-900-S")
        await world.register(world.maker, serial=f"SER{world.tag}", part=lone)
        yield opened


async def key_of(world: World, party: Party, role: str) -> str:
    actor = Actor(party.users[role], party.id, "", "", "", False, False, "USD", frozenset({"admin"}))
    async with world.db.write(Tenant(party.id)) as session:
        _, secret = await create_api_key(
            session, actor, name="locate", scopes=SCOPES, expires_at=None, now=datetime.now(UTC)
        )
    return secret


async def command(server: str, key: str, *words: str) -> Result:
    env = {"BACKSTOCK_SERVER": server, "BACKSTOCK_API_KEY": key}
    return await asyncio.to_thread(CliRunner(env=env).invoke, commands, ["locate", *words])


async def told(client: httpx.AsyncClient, numbers: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await ok(client.post(f"{API}/sourcing/locate", json={"numbers": numbers, **more}))
    return found


def places(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All places of an answer, each once."""
    return list({c["key"]: c for n in found for p in n["parts"] for c in p["candidates"]}.values())


@pytest.mark.parametrize("who", ["technician", "masked", "delegate"])
async def test_page_file_api_and_command_say_the_same(site: Site, who: str) -> None:
    world = site.world
    party = world.other if who == "delegate" else world.maker
    if who == "masked":
        await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
    if who == "delegate":
        await world.owner.execute(
            "INSERT INTO delegation (maker_id, company_id, max_quantity, max_value_amount, currency, valid_from) "
            "VALUES ($1, $2, 2, 150, 'USD', now() - interval '1 day')", world.maker.id, party.id,
        )  # fmt: skip
    numbers = [await site.number(), f"{world.tag}-9", f"NOSUCH{world.tag}77"]
    text, urgency = "\n".join(numbers), "machine_down"
    browser = await site.browser(party, "technician")
    key = await key_of(world, party, "technician")
    bearer = {"authorization": f"Bearer {key}"}
    async with serving(site.app) as address:
        async with httpx.AsyncClient(base_url=address, headers=bearer) as api:
            body = {"numbers": text, "urgency": urgency}
            found = await told(api, **body)
            file = await api.post(f"{API}/sourcing/locate.csv", json=body)
        as_json = await command(address, key, *numbers, "--urgency", urgency, "--format", "json")
        as_file = await command(address, key, *numbers, "--urgency", urgency, "--format", "csv")
        as_table = await command(address, key, *numbers, "--urgency", urgency)
    asked = {"q": text, "urgency": urgency}
    page = await browser.get("/requests", params=asked)
    from_page = await browser.get("/requests", params={**asked, "format": "csv"})
    assert file.status_code == 200, file.text
    assert from_page.content == file.content
    assert as_file.stdout_bytes == file.content
    assert json.loads(as_json.stdout) == found
    assert [n["step"] for n in found] == ["exact", "prefix", None]
    rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
    keys = ("Holder", "Place", "There", "Can be ordered", "Distance")
    every = [c for n in found for p in n["parts"] for c in p["candidates"]]
    assert [tuple(r[k] for k in keys) for r in rows if r["Holder"]] == [
        (c["holder"], c["place"], str(c["quantity"]), str(c["callable"]), c["distance"]) for c in every
    ]
    assert len({c["key"] for c in every}) == 4, "own stock, the partner, what replaces it, and the one with a serial"
    text_of_page = unescape(page.text)
    for c in every:
        assert f'id="c-{c["key"]}"' in page.text
        for word in (c["holder"], c["distance"], *(b["words"] for b in c["blocked"])):
            assert word in text_of_page or c["kind"] == "own_stock", word
            assert word in as_table.output, word
    assert as_table.exit_code == 0, as_table.output
    told_anywhere = f"{page.text}{file.text}{as_json.stdout}{as_table.output}"
    assert (world.buyer.name in told_anywhere) == (who != "masked")
    assert ("beyond your delegation" in told_anywhere) == (who == "delegate")
    assert "replaced" in told_anywhere or "Replaces" in told_anywhere


async def test_the_command_refuses_in_the_words_of_the_api(site: Site) -> None:
    number = await site.number()
    key = await key_of(site.world, site.world.maker, "technician")
    stranger = await key_of(site.world, site.world.other, "technician")
    async with serving(site.app) as address:
        outcomes = {
            "near": await command(address, key, number, "--near", "91,0"),
            "filter": await command(address, key, number, "--only", "condition=shiny"),
            "key": await command(address, "bsk_nothing", number),
            "stranger": await command(address, stranger, number),
            "site": await command(address, key, number, "--site", "NOWHERE"),
            "open": await command("http://parts.example.com", key, number),
            "empty": await command(address, key),
            "dash": await command(address, key, "-"),
        }
        nothing = await command(address, key, f"NOSUCH{site.world.tag}77")
        serial = await command(address, key, f"SER{site.world.tag}")
    codes = {}
    for name, outcome in outcomes.items():
        assert isinstance(outcome.exception, DomainError), (name, outcome.output)
        codes[name] = outcome.exception.code
    assert codes == {
        "near": "near.invalid", "filter": "filter.unknown", "key": "auth.key", "stranger": "sourcing.nothing",
        "site": "site.not_found", "open": "locate.server", "empty": "locate.empty", "dash": "locate.empty",
    }  # fmt: skip
    assert nothing.exit_code == 4
    assert "neither exactly this" in nothing.output
    assert "serial of a unit" in serial.output
    assert f"{site.world.tag}-900-S" in serial.output


async def test_each_choice_leaves_as_many_places_as_it_says(site: Site) -> None:
    technician = site.job.technician
    numbers = f"{await site.number()}\n{site.world.tag}-9"
    ways: list[dict[str, Any]] = [
        {},
        {"source": "partners"},
        {"callable": "now", "within_days": 3},
        {"callable": "not"},
    ]
    seen = set()
    for filters in ways:
        body = {"numbers": numbers, "filters": filters}
        facets = await ok(technician.post(f"{API}/sourcing/locate/facets", json=body))
        here = places(await told(technician, **body))
        assert (facets["places"], facets["units"]) == (len(here), sum(c["quantity"] for c in here))
        assert facets["of"] == 4
        for facet in facets["facets"]:
            for choice in facet["choices"]:
                value = int(choice["value"]) if facet["name"] == "within_days" else choice["value"]
                left = places(await told(technician, numbers, filters={**filters, facet["name"]: value}))
                assert (len(left), sum(c["quantity"] for c in left)) == (choice["places"], choice["units"]), (
                    filters,
                    facet,
                    choice,
                )
                seen.add((facet["name"], choice["value"]))
    assert {n for n, _ in seen} == {
        "source", "callable", "reason", "country", "region", "holder", "condition", "clause", "within_days"
    }  # fmt: skip
    assert {("source", "own"), ("reason", "held"), ("clause", "buy-back"), ("holder", str(site.world.buyer.id))} <= seen
    for wrong in ({"condition": "shiny"}, {"holder": "x"}, {"within_days": -1}, {"nothing": "x"}):
        answer = await technician.post(f"{API}/sourcing/locate", json={"numbers": numbers, "filters": wrong})
        assert answer.status_code == 422, wrong


async def test_a_holder_that_is_not_named_is_no_choice(site: Site) -> None:
    world, technician = site.world, site.job.technician
    await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
    number = await site.number()
    facets = await ok(technician.post(f"{API}/sourcing/locate/facets", json={"numbers": number}))
    assert world.buyer.name not in json.dumps(facets)
    assert str(world.buyer.id) not in json.dumps(facets)
    named = {f["name"]: [c["value"] for c in f["choices"]] for f in facets["facets"]}
    assert "unnamed" in named["holder"]
    # Nor does asking for the holder by its id tell whether it is one of them.
    for company in (world.buyer.id, uuid4()):
        assert places(await told(technician, number, filters={"holder": str(company)})) == []
    page = await (await site.browser(world.maker, "technician")).get("/requests", params={"q": number})
    assert "Named once the order is sent (1)" in page.text
    assert str(world.buyer.id) not in page.text


async def test_the_page_is_narrowed_by_address_and_says_what_does_not_fit(site: Site) -> None:
    technician = await site.browser(site.world.maker, "technician")
    number = await site.number()
    sent = await technician.post("/requests/where", data={"q": number, "source": "partners", "holder": ""})
    assert sent.status_code == 303
    page = await technician.get(sent.headers["location"])
    assert "Whose: Held by partners" in page.text
    assert "1 of 3 places" in page.text
    assert len(re.findall(r'<tr id="c-', page.text)) == 1
    assert "source=partners" in unescape(page.text), "the map and the file are narrowed too"
    file = await technician.get(sent.headers["location"] + "&format=csv")
    rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
    assert [r["Kind"] for r in rows if r["Kind"]] == ["Buy-back order"]
    off = await technician.post("/requests/where", data={"q": number, "source": "partners", "drop": "source"})
    assert off.headers["location"] == f"/requests?q={number}"
    none = await technician.get("/requests", params={"q": number, "condition": "core"})
    assert "None of 2 places fits the filters" in none.text
    assert "is known to be anywhere" not in none.text
    assert "is not a value of" in (await technician.get("/requests", params={"q": number, "condition": "shiny"})).text


async def test_counting_choices_asks_the_database_nothing_more(site: Site) -> None:
    world = site.world
    technician = await site.browser(world.maker, "technician")
    number = await site.number()
    many = [await world.make_part(f"{world.tag}-M{n}") for n in range(20)]
    for part in many:
        await world.register(world.maker, 2, part=part)
    lines = "\n".join([number, *(f"{world.tag}-M{n}" for n in range(20))])
    with counted(world.db) as few:
        await technician.get("/requests", params={"q": f"{number}\n{world.tag}-M1"})
    with counted(world.db) as all_of_them:
        page = await technician.get("/requests", params={"q": lines, "source": "own"})
    assert "Narrow (2" in page.text
    assert len(all_of_them) == len(few), all_of_them


NEAR = {"maker": (41.9, -87.7), "buyer": (33.5, -86.8)}


async def test_the_nearest_to_where_somebody_stands_come_first(site: Site) -> None:
    world, technician = site.world, site.job.technician
    number = await site.number()
    await world.owner.execute("UPDATE site SET lat = 42.27, lon = -89.09 WHERE id = $1", world.maker.site)
    firsts = {}
    for name, (lat, lon) in NEAR.items():
        found = await told(technician, number, near={"lat": lat, "lon": lon})
        own_part = found[0]["parts"][0]["candidates"]
        kilometres = [int(c["distance"].split()[0].replace(",", "")) for c in own_part if c["callable"]]
        assert kilometres == sorted(kilometres)
        assert all(c["distance"].endswith("from you") for c in own_part)
        firsts[name] = own_part[0]["kind"]
    assert firsts == {"maker": "own_stock", "buyer": "buy_back"}
    # When they arrive goes on being told for the site that they are sent to.
    usual, elsewhere = [
        {
            c["key"]: datetime.fromisoformat(c["arrives"])
            for c in places(await told(technician, number, **way))
            if c["arrives"]
        }
        for way in ({}, {"near": {"lat": 1, "lon": 1}})
    ]
    assert usual.keys() == elsewhere.keys()
    assert all(abs(usual[key] - elsewhere[key]) < timedelta(minutes=1) for key in usual)
    browser = await site.browser(world.maker, "technician")
    page = await browser.post(
        "/requests/where", data={"q": number, "near": "33.5,-86.8", "site": str(world.maker.site)}
    )
    assert page.status_code == 200
    assert "from you" in page.text
    assert page.text.index("Order this unit back") < page.text.index("Take from stock")
    # It stands in the form that goes on with this search, and in no address on the page.
    addresses = re.findall(r'(?:href|action|data-map-src|formaction)="([^"]*)"', page.text)
    assert not [a for a in addresses if "33.5" in a]
    file = await browser.post("/requests/where", data={"q": number, "near": "33.5,-86.8", "format": "csv"})
    assert file.headers["content-type"].startswith("text/csv")
    assert "from you" in file.text
    assert "from you" not in (await browser.get("/requests", params={"q": number, "near": "33.5,-86.8"})).text


async def test_what_is_no_place_is_refused_in_words(site: Site) -> None:
    browser = await site.browser(site.world.maker, "technician")
    number = await site.number()
    for near in ("91,0", "0,181", "here I am", "1e400,0", "nan,0", "33.5", "33.5,-86.8,1"):
        page = await browser.post("/requests/where", data={"q": number, "near": near})
        assert page.status_code == 422, near
        assert "latitude from -90 to 90" in page.text, near
        assert number in page.text, "what was typed is still there"


async def test_a_holder_that_is_not_named_cannot_be_measured_out(site: Site) -> None:
    world, technician = site.world, site.job.technician
    await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
    number = await site.number()
    await refused(
        technician.post(f"{API}/sourcing/locate", json={"numbers": number, "near": {"lat": 91, "lon": 0}}),
        "near.invalid",
    )
    at = await world.owner.fetchrow("SELECT lat, lon FROM site WHERE id = $1", world.buyer.site)

    async def seen() -> list[tuple[str, str]]:
        found = []
        for step in range(24):
            near = {"lat": at["lat"] + (step - 12) * 0.05, "lon": at["lon"]}
            hidden = [c for c in places(await told(technician, number, near=near)) if c["kind"] != "own_stock"]
            found += [(c["distance"], c["place"]) for c in hidden]
        return found

    before = await seen()
    assert len({d for d, _ in before}) >= 1
    assert all("within" in d and "km" in d for d, _ in before)
    # A place elsewhere in the same field of two degrees looks the same from everywhere.
    await world.owner.execute("UPDATE site SET lat = $2, lon = $3 WHERE id = $1", world.buyer.site, 32.1, -87.9)
    assert await seen() == before

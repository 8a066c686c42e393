"""Signing in and out, the demo's logins, home by role."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest
import time_machine

from marketplace.parties.service import hash_password
from tests.clients import client_for
from tests.web.trade import HTML, Market, open_market, order_form, site_for
from tests.world import World

PASSWORD = "a long enough password"


@pytest.fixture
async def market(world: World) -> Market:
    made = await open_market(world)
    await world.owner.execute(
        "UPDATE user_account SET password_hash = $2 WHERE id = $1",
        world.buyer.users["buyer"],
        await hash_password(PASSWORD),
    )
    return made


def email(market: Market) -> str:
    return f"buyer@{market.world.buyer.code}.example".lower()


async def test_in_and_out_again(market: Market) -> None:
    async with market.client() as client:
        asked = await client.get("/orders?side=buying")
        assert asked.headers["location"] == "/sign-in?next=/orders%3Fside%3Dbuying"
        form = await client.get(asked.headers["location"])
        assert 'name="next" value="/orders?side=buying"' in form.text
        done = await client.post(
            "/sign-in", data={"email": email(market).upper(), "password": PASSWORD, "next": "/orders?side=buying"}
        )
        assert done.status_code == 303
        assert done.headers["location"] == "/orders?side=buying"
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await client.get("/orders")).status_code == 200
        again = await client.get("/sign-in", params={"next": "/stock"})
        assert again.headers["location"] == "/stock", "who is signed in already just goes on"
        token = client.cookies["backstock_session"]
        out = await client.post("/sign-out")
        assert out.headers["location"] == "/"
        assert (await client.get("/orders")).status_code == 303
    async with client_for(market.app, token) as client:
        assert (await client.get("/orders", headers=HTML)).status_code == 303, "the session ended in the database too"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_nobody_is_sent_to_another_site(market: Market, target: str) -> None:
    async with market.client() as client:
        done = await client.post("/sign-in", data={"email": email(market), "password": PASSWORD, "next": target})
    assert done.headers["location"] == "/"


async def test_a_wrong_password_and_an_unknown_address_answer_alike(market: Market) -> None:
    async with market.client() as client:
        wrong = await client.post("/sign-in", data={"email": email(market), "password": "wrong wrong wrong"})
        unknown = await client.post("/sign-in", data={"email": f"x{email(market)}", "password": PASSWORD})
        empty = await client.post("/sign-in", data={})
    for page in (wrong, unknown, empty):
        assert page.status_code == 401
        assert "E-mail address and password do not match" in page.text
        assert "set-cookie" not in page.headers
        assert PASSWORD not in page.text
    assert f'value="{email(market)}"' in wrong.text, "the address is kept"


async def test_guessing_is_slowed_down(market: Market) -> None:
    async with market.client() as client:
        for _ in range(10):
            await client.post("/sign-in", data={"email": email(market), "password": "wrong wrong wrong"})
        page = await client.post("/sign-in", data={"email": email(market), "password": PASSWORD})
    assert page.status_code == 429
    assert "Too many failed attempts" in page.text


async def test_many_guesses_at_once_are_no_more_than_many_in_turn(market: Market) -> None:
    async with market.client() as client:
        wrong = {"email": email(market), "password": "wrong wrong wrong"}
        pages = await asyncio.gather(*(client.post("/sign-in", data=wrong) for _ in range(14)))
    assert sorted(page.status_code for page in pages) == [401] * 10 + [429] * 4


async def test_who_gets_it_right_may_have_been_wrong_before(market: Market) -> None:
    async with market.client() as client:
        for _ in range(3):
            for _ in range(5):
                await client.post("/sign-in", data={"email": email(market), "password": "wrong wrong wrong"})
            good = await client.post("/sign-in", data={"email": email(market), "password": PASSWORD})
            assert good.status_code == 303


async def test_an_ended_session_is_sent_to_sign_in(market: Market) -> None:
    async with market.client(market.world.buyer, "buyer") as client:
        await market.world.owner.execute(
            "UPDATE user_session SET expires_at = now() WHERE company_id = $1", market.world.buyer.id
        )
        there = (await client.get("/orders?side=buying")).headers["location"]
        assert there == "/sign-in?next=/orders%3Fside%3Dbuying&why=ended"
        assert "Your session has ended" in (await client.get(there)).text
        home = await client.get("/")
    assert home.status_code == 200
    assert "Sell slow-moving parts without losing them" in home.text


async def test_a_form_sent_after_the_session_ended_says_that_nothing_was_done_and_comes_back_to_its_page(
    market: Market,
) -> None:
    form = {"name": "Nowhere", "code": "NW", "region": "AL", "country": "US"}
    async with market.client() as client:
        page, elsewhere = "http://backstock.test/company?tab=sites", "https://evil.example/company"
        there = (await client.post("/company/sites/new", data=form, headers={"referer": page})).headers["location"]
        assert there == "/sign-in?next=/company%3Ftab%3Dsites&why=unsent"
        assert "what you sent was not carried out" in (await client.get(there)).text
        for other in ({"referer": elsewhere}, {"referer": "http://[half"}, {}):
            answer = await client.post("/company/sites/new", data=form, headers=other)
            assert answer.headers["location"] == "/sign-in?why=unsent"
        assert "Sign in" in (await client.get("/sign-in?why=nonsense")).text
    made = "SELECT count(*) FROM site WHERE name = 'Nowhere'"
    assert await market.world.owner.fetchval(made) == 0


async def test_a_form_from_another_site_is_refused(market: Market) -> None:
    async with market.client(market.world.buyer, "buyer") as client:
        page = await client.post(
            "/sign-out", headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
        )
        assert page.status_code == 403
        assert (await client.get("/orders")).status_code == 200


async def test_logins_are_shown_only_in_a_demo(market: Market) -> None:
    async with market.client() as client:
        assert "Try the demo" not in (await client.get("/sign-in")).text
        assert (await client.get("/about-demo")).status_code == 404
    transport = httpx.ASGITransport(site_for(market.world.db, demo=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://backstock.test", headers=HTML) as client:
        page = (await client.get("/sign-in")).text
        assert "planner@" in page
        assert "backstock-demo" in page
        about = await client.get("/about-demo")
    assert about.status_code == 200
    assert "GeoNames" in about.text


@pytest.mark.parametrize(
    ("who", "role", "seen", "unseen"),
    [
        ("maker", "planner", ("Post surplus", "Import stock", "Source a part"), ("What we hold</strong>",)),
        ("buyer", "buyer", ("Find parts", "What we hold</strong>"), ("Post surplus", "Import stock")),
        ("maker", "technician", ("Source a part", "Find parts"), ("Latest orders", "Post surplus")),
    ],
)
async def test_home_by_role(
    market: Market, who: str, role: str, seen: tuple[str, ...], unseen: tuple[str, ...]
) -> None:
    async with market.client(getattr(market.world, who), role) as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert "Nothing waits for you" in page.text
    for words in seen:
        assert words in page.text, words
    for words in unseen:
        assert words not in page.text, words


async def test_home_of_a_new_manufacturer_says_where_to_begin(world: World) -> None:
    app = site_for(world.db)
    market = Market(world, app, world.part, world.part, world.part, "", "", world.part)
    async with market.client(world.maker, "planner") as client:
        assert "Import your stock first" in (await client.get("/")).text
        await world.register(world.maker, 3)
        assert "Post your first surplus" in (await client.get("/")).text


# -- what was typed before signing in again -----------------------------------------------------------------------------


def carried(html: str) -> str:
    found = re.search(r'name="kept" value="([^"]*)"', html)
    return found[1] if found else ""


def form_again(html: str) -> tuple[str, dict[str, list[str]]]:
    """Where the form to send again goes, and its fields."""
    form = re.search(r'<form class="stack" action="([^"]+)" method="post".*?</form>', html, re.DOTALL)
    assert form, html
    fields: dict[str, list[str]] = {}
    for name, text in re.findall(r'<textarea name="([^"]+)" hidden readonly>\n(.*?)</textarea>', form[0], re.DOTALL):
        fields.setdefault(unescape(name), []).append(unescape(text))
    return unescape(form[1]), fields


async def ended(market: Market, client: httpx.AsyncClient) -> None:
    """Signs in by the form, then the session ends in the database."""
    await client.post("/sign-in", data={"email": email(market), "password": PASSWORD})
    await market.world.owner.execute(
        "UPDATE user_session SET expires_at = now() WHERE company_id = $1", market.world.buyer.id
    )


async def orders_of(market: Market) -> int:
    return int(
        await market.world.owner.fetchval(
            "SELECT count(*) FROM purchase_order WHERE buyer_id = $1", market.world.buyer.id
        )
    )


async def test_a_form_sent_after_the_session_ended_is_kept_and_sent_with_one_press(market: Market) -> None:
    where = f"/listings/{market.listing}/order"
    typed = {**order_form(market), "po_number": '<b>PO</b> "7"', "idempotency_key": "k-1", "confirmed": "yes"}
    async with market.client() as client:
        await ended(market, client)
        page = await client.post(where, data=typed)
        assert page.status_code == 401
        assert "What you typed is kept" in page.text
        kept = carried(page.text)
        assert kept
        again = await client.post("/sign-in", data={"email": email(market), "password": "wrong", "kept": kept})
        assert again.status_code == 401
        assert carried(again.text) == kept, "also after a slip of the pen"
        page = await client.post("/sign-in", data={"email": email(market), "password": PASSWORD, "kept": kept})
        assert page.status_code == 200
        assert "Nothing has been sent yet" in page.text
        assert "<b>PO</b>" not in page.text
        assert await orders_of(market) == 0
        action, fields = form_again(page.text)
        assert action == where
        assert fields["po_number"] == [typed["po_number"]]
        assert fields["idempotency_key"] == ["k-1"]
        assert "confirmed" not in fields, "a binding step is shown once more"
        look = await client.post(action, data=fields)
        assert look.status_code == 200
        assert await orders_of(market) == 0
        for _ in range(2):
            done = await client.post(action, data={**fields, "confirmed": "yes"})
            assert done.status_code == 303
        assert await orders_of(market) == 1


async def test_nobody_else_is_shown_what_was_typed(market: Market) -> None:
    world = market.world
    await world.owner.execute(
        "UPDATE user_account SET password_hash = (SELECT password_hash FROM user_account WHERE id = $2) WHERE id = $1",
        world.buyer.users["warehouse"], world.buyer.users["buyer"],
    )  # fmt: skip
    other = f"warehouse@{world.buyer.code}.example".lower()
    async with market.client() as client:
        await ended(market, client)
        kept = carried((await client.post(f"/listings/{market.listing}/order", data=order_form(market))).text)
        assert kept
        for login, text in ((other, kept), (email(market), kept[:-4] + "AAAA"), (email(market), "x" * 100)):
            page = await client.post("/sign-in", data={"email": login, "password": PASSWORD, "kept": text})
            assert "was not kept for you" in page.text
            assert "PO 88-1204" not in page.text
            await client.post("/sign-out")
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=61), tick=True):
            page = await client.post("/sign-in", data={"email": email(market), "password": PASSWORD, "kept": kept})
        assert "was not kept for you" in page.text
    assert await orders_of(market) == 0


async def test_what_is_never_carried(market: Market) -> None:
    """No password, no file, nothing too large, nothing of whom this browser does not know, nothing from another site."""
    where, form = f"/listings/{market.listing}/order", dict(order_form(market))
    async with market.client() as client:
        assert (await client.post(where, data=form)).status_code == 303, "who it was is not known"
        await ended(market, client)
        assert carried((await client.post(where, data=form)).text)
        for path, data, files in (
            ("/company/people/new", {"name": "A", "password": "hidden hidden"}, None),
            (where, {**form, "note": "x" * 60_000}, None),
            (where, form, {"paper": ("a.csv", b"a,b")}),
        ):
            answer = await client.post(path, data=data, files=files)
            assert (answer.status_code, answer.headers["location"].partition("?")[2]) == (303, "why=unsent"), path
        far = await client.post(
            where, data=form, headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
        )
        assert far.status_code == 403
        assert not carried(far.text)
        # Who signs out is forgotten.
        await client.post("/sign-in", data={"email": email(market), "password": PASSWORD})
        await client.post("/sign-out")
        assert (await client.post(where, data=form)).status_code == 303

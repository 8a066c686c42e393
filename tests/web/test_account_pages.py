"""Accounts as a person meets them: a forgotten password, a second factor, sessions, invitations, and who sees what was done."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
import time_machine

from marketplace.db.session import Database
from marketplace.notifications.tasks import compose
from marketplace.outbox.service import Event
from marketplace.parties import second_factor as codes
from marketplace.parties.service import ASK_RESET, hash_password
from marketplace.parties.tasks import jobs
from marketplace.settings import Settings
from tests.codes import read_code
from tests.web.trade import Market, site_for
from tests.world import Party, World

OLD, NEW = "a long enough password", "seven swans on a cold pond"


@pytest.fixture
async def market(world: World) -> Market:
    hashed = await hash_password(OLD)
    both = [world.maker.id, world.buyer.id]
    await world.owner.execute("UPDATE user_account SET password_hash = $2 WHERE company_id = ANY ($1)", both, hashed)
    nothing = UUID(int=0)
    return Market(world, site_for(world.db), nothing, nothing, nothing, "", "", nothing)


async def email(market: Market, party: Party, role: str) -> str:
    return str(await market.world.owner.fetchval("SELECT email FROM user_account WHERE id = $1", party.users[role]))


async def mails(market: Market, party: Party) -> list[tuple[str, str]]:
    """Subject and text, as they would be sent, of what concerns accounts of a company; oldest first."""
    rows = await market.world.owner.fetch(
        "SELECT * FROM outbox_event WHERE name LIKE 'account.%' AND $1 = ANY (company_ids) ORDER BY id", party.id
    )
    sent = []
    for row in rows:
        payload = json.loads(row["payload"]) if isinstance(row["payload"], str) else row["payload"]
        event = Event(row["id"], row["name"], row["aggregate"], row["aggregate_id"], payload, (), 1)
        message = compose(Settings(secret_key="for tests"), event, payload["mail"])
        sent.append((str(message["Subject"]), message.get_content().replace("\n", " ")))
    return sent


def link_in(text: str) -> str:
    found = re.search(r"http://[^/]+(/\S+)", text)
    assert found, text
    return found[1]


async def ask_reset(market: Market, worker_db: Database, address: str) -> httpx.Response:
    """Asks on the page and lets the worker look whose address it is."""
    owner = market.world.owner
    async with market.client() as anybody:
        page = await anybody.post("/reset-password", data={"email": address})
    rows = await owner.fetch("DELETE FROM pgqueuer WHERE entrypoint = $1 RETURNING payload", ASK_RESET)
    for row in rows:
        for _ in range(2):  # at least once, so perhaps twice
            await jobs(worker_db)[ASK_RESET](json.loads(row["payload"]))
    return page


async def sign_in(market: Market, client: httpx.AsyncClient, address: str, password: str) -> httpx.Response:
    return await client.post("/sign-in", data={"email": address, "password": password, "next": "/company"})


async def test_a_forgotten_password_is_set_anew_by_a_link_that_works_once(market: Market, worker_db: Database) -> None:
    owner, buyer = market.world.owner, market.world.buyer
    address = await email(market, buyer, "buyer")
    async with market.client(buyer, "buyer") as elsewhere, market.client() as client:
        known = await ask_reset(market, worker_db, address.upper())
        unknown = await ask_reset(market, worker_db, f"x{address}")
        assert known.status_code == unknown.status_code == 200
        assert known.text == unknown.text, "the answer does not say whether somebody signs in by the address"
        ((subject, text),) = await mails(market, buyer)
        assert subject == "Set a new password"
        link = link_in(text)
        kept = await owner.fetchval(
            "SELECT string_agg(payload::text, '') FROM outbox_event WHERE $1 = ANY (company_ids)", buyer.id
        )
        assert link not in kept, "what proves the link stands in the mail alone"
        assert address in (await client.get(link)).text
        weak = await client.post(link, data={"password": "buyer buyer buyer"})
        assert weak.status_code == 422
        assert (await elsewhere.get("/account")).status_code == 200, "nothing has changed"
        done = await client.post(link, data={"password": NEW})
        assert done.headers["location"] == "/sign-in?why=reset"
        assert (await elsewhere.get("/account")).status_code == 303, "every session has ended"
        for answer in (await client.get(link), await client.post(link, data={"password": OLD})):
            assert answer.status_code == 410
            assert "used already" in answer.text
            assert "Ask for a new one" in answer.text
        assert (await sign_in(market, client, address, OLD)).status_code == 401
        assert (await sign_in(market, client, address, NEW)).status_code == 303
        assert "A new password was set by a mailed link" in (await client.get("/account")).text
    assert [s for s, _ in await mails(market, buyer)][1:] == ["Your account: a new password was set by a mailed link"]


async def test_a_link_lapses_and_a_newer_one_takes_its_place(market: Market, worker_db: Database) -> None:
    buyer = market.world.buyer
    address = await email(market, buyer, "buyer")
    await ask_reset(market, worker_db, address)
    await ask_reset(market, worker_db, address)
    first, second = [link_in(text) for _, text in await mails(market, buyer)]
    async with market.client() as client:
        before = await market.world.owner.fetchval(
            "SELECT password_hash FROM user_account WHERE lower(email) = lower($1)", address
        )
        assert "no longer counts" in (await client.post(first, data={"password": NEW})).text
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=1, minutes=1), tick=False):
            assert "lapsed" in (await client.post(second, data={"password": NEW})).text
        broken = await client.post(second[:-3] + "abc", data={"password": NEW})
        assert broken.status_code == 404
        assert "damaged" in broken.text
        assert before == await market.world.owner.fetchval(
            "SELECT password_hash FROM user_account WHERE lower(email) = lower($1)", address
        )


async def set_up(client: httpx.AsyncClient, moment: datetime) -> tuple[bytes, list[str]]:
    """Sets up a second factor on the page: its secret, read off the code of squares, and the recovery codes."""
    import base64

    page = await client.post("/account/second-factor")
    found = re.search(r"secret=([A-Z2-7]+)", read_code(page.text))
    assert found
    secret = base64.b32decode(found[1] + "=" * (-len(found[1]) % 8))
    wrong = await client.post("/account/second-factor/confirm", data={"code": "000000"})
    assert wrong.status_code == 422
    assert read_code(wrong.text) == read_code(page.text), "the same secret is shown until it is confirmed"
    done = await client.post("/account/second-factor/confirm", data={"code": codes.code_at(secret, moment)})
    assert done.status_code == 201
    assert done.headers["cache-control"] == "no-store"
    return secret, re.findall(r"<code>([a-z0-9-]{19})</code>", done.text)


async def second_step(client: httpx.AsyncClient, page: httpx.Response, code: str) -> httpx.Response:
    found = re.search(r'name="proof" value="([^"]+)"', page.text)
    assert found, page.text
    return await client.post("/sign-in/code", data={"proof": found[1], "code": code, "next": "/company"})


async def test_signing_in_asks_for_the_code_which_is_taken_once(market: Market) -> None:
    owner, buyer = market.world.owner, market.world.buyer
    address = await email(market, buyer, "admin")
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as clock:
        async with market.client(buyer, "admin") as admin, market.client() as client:
            secret, recovery = await set_up(admin, start)
            assert len(set(recovery)) == 10
            row = await owner.fetchrow(
                "SELECT sealed::text, last_step FROM second_factor WHERE user_id = $1", buyer.users["admin"]
            )
            assert secret.hex() not in row["sealed"]
            assert codes.spelled(secret) not in (await admin.get("/account/second-factor")).text, "never shown again"
            step = await sign_in(market, client, address, OLD)
            assert step.status_code == 200
            assert "set-cookie" not in step.headers
            replay = await second_step(client, step, codes.code_at(secret, start))
            assert replay.status_code == 401, "this code was used to confirm"
            assert (await client.get("/company")).status_code == 303
            clock.shift(30)
            fresh = codes.code_at(secret, start + timedelta(seconds=30))
            assert (await second_step(client, step, fresh)).headers["location"] == "/company"
            assert (await client.get("/company")).status_code == 200
            assert (await second_step(client, step, fresh)).status_code == 401
            assert (await second_step(client, step, recovery[0].upper())).status_code == 303
            assert (await second_step(client, step, recovery[0])).status_code == 401
            clock.shift(601)
            late = await second_step(client, step, codes.code_at(secret, start + timedelta(seconds=631)))
            assert late.status_code == 401
            assert "longer than ten minutes" in late.text
    subjects = [s for s, _ in await mails(market, buyer)]
    assert subjects == ["Your account: a second factor was set up", "Your account: a recovery code was used"]


async def test_codes_cannot_be_tried_out(market: Market) -> None:
    buyer = market.world.buyer
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as clock:
        async with market.client(buyer, "buyer") as own, market.client() as client:
            secret, _ = await set_up(own, start)
            step = await sign_in(market, client, await email(market, buyer, "buyer"), OLD)
            clock.shift(30)
            for _ in range(10):
                assert (await second_step(client, step, "000001")).status_code == 401
            right = await second_step(client, step, codes.code_at(secret, start + timedelta(seconds=30)))
            assert right.status_code == 429
            assert (await client.get("/company")).status_code == 303


async def test_a_company_may_ask_everybody_for_it_and_an_admin_may_remove_a_lost_one(market: Market) -> None:
    owner, buyer = market.world.owner, market.world.buyer
    start = datetime.now(UTC)
    async with market.client(buyer, "admin") as admin, market.client(buyer, "buyer") as person:
        refused = await admin.post("/company/security", data={"second_factor": "yes"})
        assert refused.status_code == 409
        assert "of your own first" in refused.text
        assert (await person.get("/company")).status_code == 200, "nothing is asked yet"
        await set_up(admin, start)
        assert (await admin.post("/company/security", data={"second_factor": "yes"})).status_code == 303
        stopped = await person.get("/orders?side=buying")
        assert stopped.headers["location"].startswith("/account/second-factor?next=/orders")
        api = await person.get("/api/v1/orders", headers={"accept": "application/json"})
        assert (api.status_code, api.json()["code"]) == (403, "auth.second_factor_missing")
        await set_up(person, start)
        assert (await person.get("/company")).status_code == 200
        kept = await person.post("/account/second-factor/remove", data={"confirmed": "yes"})
        assert kept.status_code == 409
        async with market.client(market.world.maker, "admin") as outsider:
            there = f"/company/people/{buyer.users['buyer']}/second-factor"
            assert (await outsider.post(there, data={"confirmed": "yes"})).status_code == 404
            assert (
                await owner.fetchval("SELECT count(*) FROM second_factor WHERE user_id = $1", buyer.users["buyer"]) == 1
            )
        assert (await person.post(there, data={"confirmed": "yes"})).status_code == 403
        look = await admin.get(there)
        assert "ring them up" in look.text
        assert (await admin.post(there, data={"confirmed": "yes"})).status_code == 303
        assert (await person.get("/company")).status_code == 303, "the sessions have ended"
        assert await owner.fetchval("SELECT count(*) FROM recovery_code WHERE user_id = $1", buyer.users["buyer"]) == 0
        assert "An administrator removed the second factor" in (await admin.get("/company/security/acts")).text


async def test_what_concerns_security_asks_again_who_one_is(market: Market) -> None:
    owner, maker = market.world.owner, market.world.maker
    async with market.client(maker, "admin") as admin, market.client(maker, "admin") as other:
        await other.get("/account")
        await owner.execute(
            "UPDATE user_session SET verified_at = now() - interval '16 minutes' WHERE user_id = $1",
            maker.users["admin"],
        )
        keys = await owner.fetchval("SELECT count(*) FROM api_key WHERE company_id = $1", maker.id)
        data = {"name": "ERP", "days": "30", "scopes": ["company.read"]}
        for asked in (
            await admin.get("/company/keys/new"),
            await admin.post(
                "/company/keys/new", data=data, headers={"referer": "http://backstock.test/company/keys/new"}
            ),
        ):
            assert asked.headers["location"] == "/account/prove?next=/company/keys/new"
        api = await admin.post("/api/v1/api-keys", json={"name": "x", "scopes": ["company.read"]})
        assert (api.status_code, api.json()["code"]) == (403, "auth.recent")
        assert keys == await owner.fetchval("SELECT count(*) FROM api_key WHERE company_id = $1", maker.id)
        assert (
            await admin.post("/account/prove", data={"password": NEW, "next": "/company/keys/new"})
        ).status_code == 401
        assert (await admin.get("/account/password")).status_code == 303
        proved = await admin.post("/account/prove", data={"password": OLD, "next": "/company/keys/new"})
        assert proved.headers["location"] == "/company/keys/new"
        assert (await admin.post("/company/keys/new", data=data)).status_code == 201
        assert (await admin.post("/account/password", data={"password": NEW})).headers[
            "location"
        ] == "/account?done=password"
        assert (await other.get("/account")).status_code == 303, "the other sessions have ended"
        assert (await admin.get("/account")).status_code == 200


async def test_sessions_are_ended_one_by_one_or_all_others_and_only_ones_own(market: Market) -> None:
    owner, maker = market.world.owner, market.world.maker
    async with (
        market.client(maker, "planner") as here,
        market.client(maker, "planner") as there,
        market.client() as new,
    ):
        address = await email(market, maker, "planner")
        agent = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"}
        await new.post("/sign-in", data={"email": address, "password": OLD}, headers=agent)
        assert "Firefox on Linux" in (await here.get("/account")).text
        listed = (await here.get("/api/v1/account/sessions")).json()["items"]
        assert [s["device"] for s in listed] == ["Firefox on Linux", "", ""]
        async with market.client(maker, "admin") as admin:
            assert (await admin.post(f"/account/sessions/{listed[0]['id']}/end")).status_code == 404
        assert (await new.get("/account")).status_code == 200
        assert (await here.post(f"/account/sessions/{listed[0]['id']}/end")).status_code == 303
        assert (await new.get("/account")).status_code == 303
        assert (await there.post("/api/v1/account/sessions/end-others")).json() == {"ended": 1}
        assert (await here.get("/account")).status_code == 303
    changed = await owner.fetchval("SELECT has_table_privilege('backstock_app', 'security_act', 'UPDATE, DELETE')")
    assert changed is False, "what was done is only added to"


async def test_an_invited_person_sets_name_and_password_once(market: Market) -> None:
    owner, maker, buyer = market.world.owner, market.world.maker, market.world.buyer
    address = f"new.{market.world.tag}@example.com"
    people = "SELECT count(*) FROM user_account WHERE company_id = $1"
    async with (
        market.client(maker, "admin") as admin,
        market.client(maker, "planner") as planner,
        market.client() as guest,
    ):
        assert (
            await planner.post("/company/invitations/new", data={"email": address, "roles": "admin"})
        ).status_code == 403
        done = await admin.post("/company/invitations/new", data={"email": address, "roles": ["planner", "seller"]})
        assert done.headers["location"] == "/company/invitations?done=invited"
        twice = await admin.post("/api/v1/invitations", json={"email": address.upper(), "roles": ["buyer"]})
        assert (twice.status_code, twice.json()["code"]) == (409, "invitation.open")
        (one,) = (await admin.get("/api/v1/invitations")).json()["items"]
        ((_, text),) = await mails(market, maker)
        link, before = link_in(text), await owner.fetchval(people, maker.id)
        async with market.client(buyer, "admin") as outsider:
            assert (await outsider.post(f"/api/v1/invitations/{one['id']}/send-again")).status_code == 404
            assert (await outsider.delete(f"/api/v1/invitations/{one['id']}")).status_code == 404
            assert one["id"] not in (await outsider.get("/api/v1/invitations")).text
        with time_machine.travel(datetime.now(UTC) + timedelta(days=7, minutes=1), tick=False):
            lapsed = await guest.post(link, data={"name": "Lee Wong", "password": NEW})
            assert (lapsed.status_code, "lapsed" in lapsed.text) == (410, True)
        assert "planner, seller" in (await guest.get(link)).text
        own_name = await guest.post(link, data={"name": "Leopold Wong", "password": "leopold-wong-2026-2026"})
        assert own_name.status_code == 422
        assert "Leopold Wong" in own_name.text, "what was typed is kept, but for the password"
        assert before == await owner.fetchval(people, maker.id)
        joined = await guest.post(link, data={"name": "Leopold Wong", "password": NEW})
        assert joined.headers["location"] == "/sign-in?why=joined"
        again = await guest.post(link, data={"name": "Somebody", "password": NEW})
        assert (again.status_code, "used already" in again.text) == (410, True)
        assert before + 1 == await owner.fetchval(people, maker.id)
        assert (await sign_in(market, guest, address, NEW)).status_code == 303
        me = (await guest.get("/api/v1/me")).json()
        assert (me["user"], me["roles"]) == ("Leopold Wong", ["planner", "seller"])
        assert (await guest.get("/api/v1/account")).json()["email_confirmed_at"] is not None
        gone = await admin.delete(f"/api/v1/invitations/{one['id']}")
        assert (gone.status_code, gone.json()["code"]) == (409, "invitation.accepted")


async def test_a_withdrawn_invitation_is_worth_nothing(market: Market) -> None:
    maker = market.world.maker
    async with market.client(maker, "admin") as admin, market.client() as guest:
        made = await admin.post(
            "/api/v1/invitations", json={"email": f"x.{market.world.tag}@example.com", "roles": ["buyer"]}
        )
        assert (await admin.post(f"/api/v1/invitations/{made.json()['id']}/send-again")).status_code == 200
        (_, text), (_, second) = await mails(market, maker)
        assert link_in(text) == link_in(second)
        assert (
            await admin.post(f"/company/invitations/{made.json()['id']}/withdraw", data={"confirmed": "yes"})
        ).status_code == 303
        used = await guest.post(link_in(text), data={"name": "Lee", "password": NEW})
        assert (used.status_code, "withdrawn" in used.text) == (410, True)
        assert (
            await market.world.owner.fetchval(
                "SELECT count(*) FROM user_account WHERE email LIKE 'x.%' AND company_id = $1", maker.id
            )
            == 0
        )
        assert "Withdrawn" in (await admin.get("/company/invitations")).text


async def test_another_address_counts_once_its_link_is_used(market: Market) -> None:
    owner, buyer = market.world.owner, market.world.buyer
    before, new = await email(market, buyer, "buyer"), f"moved.{market.world.tag}@example.com"
    async with market.client(buyer, "buyer") as client, market.client() as anybody:
        assert (await client.post("/account/address", data={"email": new})).status_code == 303
        assert before == await email(market, buyer, "buyer")
        ((_, text),) = await mails(market, buyer)
        looked = await anybody.get(link_in(text))
        assert new in looked.text
        assert before == await email(market, buyer, "buyer"), "a program that looks at links changes nothing"
        assert "is confirmed" in (await anybody.post(link_in(text))).text
        assert new == await email(market, buyer, "buyer")
        assert (await anybody.post(link_in(text))).status_code == 410
        taken = await email(market, buyer, "warehouse")
        await client.post("/account/address", data={"email": taken})
        refused = await anybody.post(link_in((await mails(market, buyer))[-1][1]))
        assert refused.status_code == 409
        assert new == await email(market, buyer, "buyer")
    told = [text for subject, text in await mails(market, buyer) if "address was changed" in subject]
    assert len(told) == 2, "the new address and the one of before are told"
    assert await owner.fetchval("SELECT count(*) FROM user_account WHERE lower(email) = lower($1)", taken) == 1


async def test_acts_are_seen_by_their_person_and_by_the_companys_admin(market: Market) -> None:
    maker, buyer = market.world.maker, market.world.buyer
    async with market.client() as client:
        await sign_in(market, client, await email(market, maker, "planner"), "wrong wrong wrong")
        await client.post("/sign-in", data={"email": await email(market, maker, "planner"), "password": OLD}, headers={"user-agent": '=HYPERLINK("x") Firefox/1'})  # fmt: skip
        assert "A sign-in with a wrong password" in (await client.get("/account/acts")).text
        assert (await client.get("/company/security/acts")).status_code == 403
        assert (await client.get("/api/v1/company/security-acts")).status_code == 403
    async with market.client(maker, "admin") as admin, market.client(buyer, "admin") as outsider:
        own = (await admin.get("/api/v1/company/security-acts")).json()["items"]
        assert [a["act"] for a in own] == ["signed_in", "sign_in_failed"]
        assert (await admin.get("/api/v1/account/security-acts")).json()["items"] == []
        file = await admin.get("/company/security/acts?format=csv")
        assert file.text.count("\n") == 3
        assert (await admin.get("/api/v1/company/security-acts.csv")).text == file.text
        assert (await outsider.get("/api/v1/company/security-acts")).json()["items"] == []

"""The pages of the log: who may see and do what, and what a wrong key is told. The sums in the browser are in tests/browser."""

from __future__ import annotations

import secrets

import httpx
import pytest

from marketplace.ledger.log.notes import COSIGNATURE, Signer
from tests.web.job import open_site, send
from tests.world import World


async def test_a_witness_is_registered_and_retired_by_its_own_company(world: World) -> None:
    async with open_site(world) as site:
        admin, planner = await site.browser(world.maker, "admin"), await site.browser(world.maker, "planner")
        other = await site.browser(world.buyer, "admin")
        assert "Every stock transaction is put into one list" in (await planner.get("/proofs")).text
        assert (await planner.get("/proofs/witnesses/new")).status_code == 403
        form = await admin.get("/proofs/witnesses/new")
        kept = "SELECT count(*) FROM log_witness"
        before = await world.owner.fetchval(kept)
        bad = await send(admin, "/proofs/witnesses", form, vkey="nonsense")
        assert bad.status_code == 422
        assert "is not a verifier key: it has the form name+hex+base64" in bad.text
        assert await world.owner.fetchval(kept) == before
        key = Signer(f"w.test/{world.tag}", COSIGNATURE, secrets.token_bytes(32)).key
        done = await send(admin, "/proofs/witnesses", form, vkey=key.vkey)
        assert done.headers["location"] == "/proofs?done=registered"
        made = await world.owner.fetchval("SELECT id FROM log_witness WHERE vkey = $1", key.vkey)
        at = f"/proofs/witnesses/{made}/retire"
        assert at in (await admin.get("/proofs")).text
        assert at not in (await other.get("/proofs")).text, "only its own company"
        assert (await other.get(at)).status_code == 404
        page = await admin.get(at)
        assert "Keep what it has cosigned." in page.text
        assert (await send(admin, at, page)).headers["location"] == "/proofs?done=retired"
        assert "out of service since" in (await admin.get("/proofs")).text


@pytest.mark.parametrize(
    ("path", "words"),
    [("/proofs/verify", "Nothing of the file is sent to us"), ("/proofs/format", "SHA-256( 0x02 || lot key")],
)
async def test_whoever_checks_a_bundle_need_not_sign_in(world: World, path: str, words: str) -> None:
    async with open_site(world) as site:
        transport = httpx.ASGITransport(app=site.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://backstock.test") as anybody:
            buyer = await site.browser(world.buyer, "buyer")
            for client in (anybody, buyer):
                answer = await client.get(path)
                assert answer.status_code == 200
                assert words in answer.text

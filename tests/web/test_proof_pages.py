"""The pages of the log: who may see and do what, and what a wrong key is told. The sums in the browser are in tests/browser."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from marketplace.db.session import Database
from marketplace.kit.clock import local_day
from marketplace.ledger.log import bundle as bundles
from marketplace.ledger.log.notes import COSIGNATURE, Signer
from marketplace.ledger.service import KeyRing
from marketplace.ledger.tasks import Sealer
from marketplace.settings import Settings
from tests import own_database
from tests.agreed import agreed, delivered
from tests.web.job import open_site, send
from tests.world import World

name, owner, db, worker_db = own_database.FIXTURES


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


async def test_evidence_of_an_agreement_and_of_a_time_is_a_button_away(
    world: World, worker_db: Database, tmp_path: Path
) -> None:
    agreement_id = await agreed(world, quantity=4)
    await delivered(world, agreement_id, 4)
    await Sealer(worker_db, KeyRing(tmp_path), "http://log.test").round(lambda: datetime.now(UTC))
    async with open_site(world) as site:
        site.app.state.settings = Settings(data_dir=tmp_path, secret_key="for tests")
        buyer = await site.browser(world.buyer, "buyer")
        at = f"/proofs/agreements/{agreement_id}/evidence"
        assert at in (await buyer.get(f"/agreements/{agreement_id}")).text
        file = await buyer.get(at)
        assert file.headers["content-disposition"] == f'attachment; filename="agreement-{agreement_id}.backstock.json"'
        assert bundles.verify(bundles.load(file.content)).holds
        form = await buyer.get("/proofs/evidence")
        assert 'name="since"' in form.text
        today = local_day(datetime.now(UTC), "America/Chicago").isoformat()
        whole = await buyer.get("/proofs/evidence", params={"since": today, "until": today})
        assert bundles.verify(bundles.load(whole.content)).holds
        for since, until, words in (
            ("", today, "Give both days"), (today, "", "Give both days"), (today, "2020-01-01", "not before the first"),
            ("2020-01-01", today, "at most 400 days"), ("2020-01-01", "2020-01-31", "recorded nothing in that time"),
            ("0001-01-01", "9999-12-31", "that long ago"),
        ):  # fmt: skip
            refused = await buyer.get("/proofs/evidence", params={"since": since, "until": until})
            assert refused.status_code == 422
            assert words in refused.text
            assert f'value="{since}"' in refused.text
        other = await site.browser(world.other, "buyer")
        assert (await other.get(at)).status_code == 404
        technician = await site.browser(world.buyer, "technician")
        assert (await technician.get(at)).status_code == 403
        assert at not in (await technician.get(f"/agreements/{agreement_id}")).text

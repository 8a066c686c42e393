"""A bundle is checked by the browser's own sums: what holds, what was changed, and nothing is sent."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from playwright.async_api import expect

from marketplace.db.session import Database
from marketplace.ledger.log.notes import COSIGNATURE, Signer, cosign, parse_note
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service import KeyRing, raise_alarm, register_witness, retire_witness, take_cosignature
from marketplace.ledger.tasks import Sealer
from tests import own_database
from tests.agreed import person
from tests.browser.conftest import OpenPage, Serve, assert_fits_everywhere, looks_right
from tests.clients import token_for
from tests.marketplace.ledger.sample import LOG, WITNESS, sample_bundle
from tests.web.trade import site_for
from tests.world import World

name, owner, db, worker_db = own_database.FIXTURES


async def test_a_bundle_is_checked_where_it_is_read(open_page: OpenPage, serve: Serve, db: Database) -> None:
    opened = await open_page(f"{await serve(site_for(db))}/proofs/verify")
    page, data = opened.page, sample_bundle().data
    asked = len(opened.requests)

    async def verdict(content: bytes, tone: str) -> str:
        await page.set_input_files(
            "#f-bundle", {"name": "unit.backstock.json", "mimeType": "application/json", "buffer": content}
        )
        await page.wait_for_selector(f"[data-verdict] .tone-{tone}")
        return await page.inner_text("[data-verdict]")

    words = await verdict(data, "good")
    assert "15 movements of 3 lots stand in the log log.example/1" in words
    assert "Cosigned by" not in words
    assert "witness.example/1 cosigned it, but that key was taken from the file" in words
    assert "it was taken from the file" in words
    await assert_fits_everywhere(page)
    await looks_right(page, "proofs-verify")
    for changed, told in (
        (data.replace(b'"quantity":5', b'"quantity":4', 1), "the quantities do not add up"),
        (data.replace(b'"part_number":"100-A"', b'"part_number":"100-B"', 1), "do not lead to the root"),
        (data.replace(b'"seq":"2"', b'"seq":"9"', 1), "is in truth movement 9"),
        (data.replace(b"log.example/1", b"log.example/2"), "does not fit its own id"),
        (data[: len(data) // 2], "cannot be read"),
    ):
        assert told in await verdict(changed, "bad")
    await page.fill("#f-keys", LOG._replace(seed=bytes(32)).key.vkey)
    assert "No known key of the log has signed" in await verdict(data, "bad")
    await page.fill("#f-keys", LOG.key.vkey)
    words = await verdict(data, "good")
    assert "it was taken from the file" not in words
    assert "Cosigned by" not in words
    await page.fill("#f-keys", f"{LOG.key.vkey}\n{WITNESS.key.vkey}")
    assert "Cosigned by witness.example/1." in await verdict(data, "good")
    assert len(opened.requests) == asked, "nothing was sent"
    assert opened.faults == []


async def test_the_pages_of_the_log(
    open_page: OpenPage,
    serve: Serve,
    world: World,
    db: Database,
    worker_db: Database,
    owner: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    """Checkpoints, a witness that has cosigned, one that is out of service, an alarm, the format, and a form."""
    sealer, now = Sealer(worker_db, KeyRing(tmp_path), "http://log.test"), datetime.now(UTC)
    for _ in range(3):
        await world.register(world.maker, 5)
        await sealer.round(lambda: now)
    signers = [Signer(f"{n}.example/{world.tag}", COSIGNATURE, secrets.token_bytes(32)) for n in ("watch", "retired")]
    by = person(world.maker, "admin")
    async with db.write(world.maker.tenant) as session:
        watch, retired = [await register_witness(session, by, s.key.vkey, now) for s in signers]
        await retire_witness(session, by, retired, now)
        point = await queries.latest_checkpoint(session)
        assert point is not None
        text = parse_note(point.note).text
        await take_cosignature(session, point.size, cosign(text, signers[0], int(now.timestamp())), now)
        await raise_alarm(
            session,
            now,
            "smaller",
            f"A witness has seen size {point.size + 9}; the log has {point.size}.",
            evidence=point.note,
        )
    await owner.execute(
        "INSERT INTO log_ended (origin, size, published, because, ended_at) VALUES ($1, 12, $2, 'Restored to the day before', $3)",
        f"log.test/log/{world.tag}", f"log.test/log/{world.tag}\n19\n{'A' * 43}=\n", now,
    )  # fmt: skip
    cookies = {"backstock_session": await token_for(owner, world.maker.users["admin"], world.maker.id)}
    address = await serve(site_for(db))
    opened = await open_page(f"{address}/proofs", cookies=cookies)
    for name, path, words in (
        ("log", "/proofs", "12 entries here, 19 published"), ("witnesses", "/proofs", signers[0].name), ("register", "/proofs/witnesses/new", "witness key"),
        ("retire", f"/proofs/witnesses/{watch}/retire", "Keep what it has cosigned"), ("format", "/proofs/format", "SHA-256"),
        ("evidence", "/proofs/evidence", "each with its whole history"),
    ):  # fmt: skip
        answer = await opened.page.goto(f"{address}{path}")
        assert answer is not None
        assert answer.status == 200, path
        await expect(opened.page.locator("main")).to_contain_text(words)
        await assert_fits_everywhere(opened.page)
        await looks_right(opened.page, f"proofs-{name}")
    assert opened.faults == []

"""A bundle is checked by the browser's own sums: what holds, what was changed, and nothing is sent."""

from __future__ import annotations

from marketplace.db.session import Database
from tests.browser.conftest import OpenPage, Serve, assert_fits_everywhere, looks_right
from tests.marketplace.ledger.sample import LOG, sample_bundle
from tests.web.trade import site_for


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
    assert "Cosigned by witness.example/1" in words
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
    assert "it was taken from the file" not in await verdict(data, "good")
    assert len(opened.requests) == asked, "nothing was sent"
    assert opened.faults == []

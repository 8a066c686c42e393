"""Documents on pages: attached from the page of a thing, shown there, withdrawn; a refused file keeps what was typed."""

from __future__ import annotations

import httpx

from tests.marketplace.attachments.test_files import PDF, picture
from tests.web.trade import key_of, open_market
from tests.world import World


async def sent(
    client: httpx.AsyncClient, form: httpx.Response, content: bytes, name: str, **fields: str
) -> httpx.Response:
    address = dict(form.url.params)
    data = {
        **address,
        "place": "here",
        "kind": "photo",
        "audience": "same",
        "note": "",
        "idempotency_key": key_of(form.text),
        **fields,
    }
    return await client.post("/documents", data=data, files={"file": (name, content)} if name else None)


async def test_attached_on_a_listing_seen_by_a_buyer_and_withdrawn(world: World) -> None:
    market = await open_market(world)
    async with market.client(world.maker, "planner") as seller, market.client(world.buyer, "buyer") as buyer:
        page = await seller.get(f"/listings/{market.listing}")
        new = f"/documents/new?on=listing&id={market.listing}&part={world.part}"
        assert new.replace("&", "&amp;") in page.text
        form = await seller.get(new)
        wrong = await sent(seller, form, b"<svg/>", "photo.jpg", note="On the shelf")
        assert wrong.status_code == 422
        assert "An SVG drawing can carry a program" in wrong.text
        assert 'value="On the shelf"' in wrong.text
        nothing = await sent(seller, form, b"", "")
        assert "Choose a file." in nothing.text
        assert await world.owner.fetchval("SELECT count(*) FROM document WHERE company_id = $1", world.maker.id) == 0
        twice = [await sent(seller, form, picture("JPEG"), "IMG_1.jpg", note="On the shelf") for _ in range(2)]
        assert [(t.status_code, t.headers["location"]) for t in twice] == [
            (303, f"/listings/{market.listing}#documents")
        ] * 2
        await sent(seller, await seller.get(new), PDF, "drawing.pdf", kind="drawing", place="part")
        seen = (await buyer.get(f"/listings/{market.listing}")).text
        assert seen.count('<li class="document') == 2
        assert "Drawing of the part" in seen
        assert "On the shelf" in seen
        assert "Attach a document" not in seen
        document = await world.owner.fetchval("SELECT id FROM document WHERE listing_id = $1", market.listing)
        small = await buyer.get(f"/documents/{document}/small")
        assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")
        shown = await buyer.get(f"/documents/{document}/file")
        assert shown.headers["content-disposition"].startswith("inline")
        assert "sandbox" in shown.headers["content-security-policy"]
        ask = await seller.get(f"/documents/{document}/withdraw")
        done = await seller.post(f"/documents/{document}/withdraw", data={"idempotency_key": key_of(ask.text)})
        assert done.headers["location"] == f"/listings/{market.listing}#documents"
        assert "On the shelf" not in (await buyer.get(f"/listings/{market.listing}")).text
        assert "only your company sees it" in (await seller.get(f"/listings/{market.listing}")).text
        assert (await buyer.get(f"/documents/{document}/file")).status_code == 404
    async with market.client() as nobody:
        assert (await nobody.get(f"/documents/{document}/file")).status_code == 303

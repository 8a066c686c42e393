"""The agreement as PDF: what stands on it signed and unsigned, who gets it, and that it is the stored text."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import httpx
import pypdf
import pytest

from marketplace.agreements.service import OfferLine, sign, suspend, withdraw
from tests.agreed import agreed, delivered, offered, person, signed
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, ok
from tests.world import Party, World

AT = datetime(2026, 11, 30, 20, 5, 12, tzinfo=UTC)
Client = Callable[[Party, str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        app = app_for(world.db)

        async def one(party: Party, role: str) -> httpx.AsyncClient:
            token = await token_for(world.owner, party.users[role], party.id)
            return await stack.enter_async_context(client_for(app, token))

        yield one


async def paper(client: httpx.AsyncClient, agreement_id: UUID) -> bytes:
    answer = await client.get(f"{API}/agreements/{agreement_id}/paper.pdf")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    reference = (await client.get(f"{API}/agreements/{agreement_id}")).json()["reference"]
    assert answer.headers["content-disposition"] == f'attachment; filename="{reference}.pdf"'
    return answer.content


def read(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf))


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in read(pdf).pages).split())


def closed_up(text: str) -> str:
    return re.sub(r"\s", "", text)


async def test_a_signed_agreement_has_all_that_a_lawyer_looks_for(world: World, client: Client) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, now=AT)
    planner = await client(world.maker, "planner")
    made = await paper(planner, agreement_id)
    seen = text_of(made)
    told = (await planner.get(f"{API}/agreements/{agreement_id}")).json()
    number = f"{world.tag}-100-A"
    pages = read(made).pages
    for page_number, page in enumerate(pages, 1):
        on_page = page.extract_text()
        assert f"Agreement {told['reference']}" in on_page
        assert f"Page {page_number} of {len(pages)}" in on_page
        assert f"SHA-256 of the signed text: {told['wording_sha256']}" in on_page
    for party, role in ((world.maker, "Manufacturer"), (world.buyer, "Holder")):
        assert closed_up(f"{party.name} ({party.code}), the {role}") in closed_up(seen)
    assert "Signed by both sides, in force" in seen
    assert "not signed" not in seen.lower()
    assert "DRAFT" not in seen
    # The schedule, the terms, the signatures.
    assert f"{number} HYDRAULIC PUMP 10 EA 100.00 USD 120.00 USD 3" in seen
    assert "Notice days stock 20 days Stock order: calendar days" in seen
    assert seen.count("On 30 Nov 2026, 20:05:12 UTC") == 4, "both sides, on the schedule and on the framework"
    assert seen.count("Local time 30 Nov 2026, 14:05 CST (America/Chicago)") == 4
    assert seen.count(f"SHA-256 of the text {told['wording_sha256']}") == 2
    assert f"Framework agreement {told['framework_reference']}" in seen
    metadata = read(made).metadata
    assert metadata is not None
    assert metadata.title == f"Agreement {told['reference']}"
    assert metadata.author == f"{world.maker.name} ({world.maker.code}), {world.buyer.name} ({world.buyer.code})"
    assert metadata.creation_date == AT
    # The text that both signed is inside byte for byte, and on the pages word for word.
    inside = read(made).attachments[f"{told['reference']}.md"][0].decode()
    assert inside == told["wording"]
    for line in told["wording"].splitlines():
        bare = re.sub(r"\\(.)", r"\1", re.sub(r"^(#+|-|\d+\.) |\*\*|^\|[-:|]+\|$", "", line))
        for cell in bare.strip("|").split("|"):
            # Labels of the particulars stand without their colon.
            for piece in cell.split(": ", 1) if line.startswith("- **") else [cell]:
                assert closed_up(piece) in closed_up(seen), line


async def test_who_signed_is_named_to_both_parties(world: World, client: Client) -> None:
    """A contract says who signed it; nobody else reads it."""
    agreement_id = await agreed(world, now=AT)
    of_maker, of_buyer = f"admin of {world.maker.code}", f"admin of {world.buyer.code}"
    told = {
        "maker": text_of(await paper(await client(world.maker, "planner"), agreement_id)),
        "buyer": text_of(await paper(await client(world.buyer, "warehouse"), agreement_id)),
    }
    for text in told.values():
        assert (text.count(of_maker), text.count(of_buyer)) == (2, 2)
    asked = "SELECT agreement_signer($1, 'maker'), agreement_signer($1, 'holder')"
    assert [tuple(r) for r in await world.visible(world.buyer, asked, agreement_id)] == [(of_maker, of_buyer)]
    assert [tuple(r) for r in await world.visible(world.other, asked, agreement_id)] == [(None, None)]


async def test_until_both_have_signed_it_is_a_draft(world: World, client: Client) -> None:
    agreement_id = await offered(world, now=AT)
    buyer = await client(world.buyer, "buyer")
    none = await paper(buyer, agreement_id)
    assert all("DRAFT, NOT SIGNED" in page.extract_text() for page in read(none).pages)
    assert f"Draft. Not signed yet by {world.maker.name} and {world.buyer.name}; it binds nobody." in text_of(none)
    assert text_of(none).count("Signature not signed yet") == 4
    assert "SHA-256 of the text:" in text_of(none)
    async with world.db.write(world.maker.tenant) as session:
        await sign(session, person(world.maker), agreement_id, AT)
    one = await paper(buyer, agreement_id)
    assert all("DRAFT, NOT SIGNED BY BOTH" in page.extract_text() for page in read(one).pages)
    assert f"Not signed yet by {world.buyer.name};" in text_of(one)
    assert text_of(one).count("Signature not signed yet") == 2
    async with world.db.write(world.buyer.tenant) as session:
        await sign(session, person(world.buyer), agreement_id, AT)
    assert "DRAFT" not in text_of(await paper(buyer, agreement_id))


async def test_withdrawn_superseded_and_suspended_say_so(world: World, client: Client) -> None:
    buyer = await client(world.buyer, "buyer")
    gone = await offered(world, now=AT)
    async with world.db.write(world.maker.tenant) as session:
        await withdraw(session, gone, person(world.maker), "The price was wrong", AT)
    seen = text_of(await paper(buyer, gone))
    assert "WITHDRAWN" in seen
    assert "Withdrawn before both sides had signed; never in force. The price was wrong" in seen
    assert seen.count("Signature never signed") == 2
    assert seen.count("Signature not signed yet") == 2, "the framework may still be signed"
    held = await agreed(world, now=AT)
    async with world.db.write(world.maker.tenant) as session:
        await suspend(session, held, person(world.maker), "A sanction is looked into", AT)
    seen = text_of(await paper(buyer, held))
    assert "suspended: rights cannot be used until it is resumed. A sanction is looked into" in seen
    await world.owner.execute("UPDATE agreement SET status = 'superseded', status_reason = NULL WHERE id = $1", held)
    made = await paper(buyer, held)
    assert all("SUPERSEDED" in page.extract_text() for page in read(made).pages)
    assert "Superseded by another agreement" in text_of(made)


async def test_one_state_is_one_file(world: World, client: Client) -> None:
    agreement_id = await agreed(world, now=AT)
    planner, admin = await client(world.maker, "planner"), await client(world.maker, "admin")
    first = await paper(planner, agreement_id)
    # Neither the reader nor what happens to the units changes it.
    await delivered(world, agreement_id, 4)
    assert await paper(admin, agreement_id) == first
    await world.owner.execute("UPDATE agreement SET legal_hold = true WHERE id = $1", agreement_id)
    assert await paper(planner, agreement_id) != first


async def test_nobody_but_the_parties_gets_it(world: World, client: Client) -> None:
    agreement_id = await agreed(world)
    address = f"{API}/agreements/{agreement_id}/paper.pdf"
    delegate = await client(world.other, "technician")
    admin = await client(world.maker, "admin")
    for reader in (delegate, await client(world.other, "buyer")):
        answer = await reader.get(address)
        assert (answer.status_code, answer.json()["code"]) == (404, "agreement.not_found")
    body = {"company_id": str(world.other.id), "max_quantity": 5, "max_value": "10000.00"}
    await ok(admin.post(f"{API}/delegations", json=body), 201)
    # A delegate is no party to it.
    answer = await delegate.get(address)
    assert (answer.status_code, answer.json()["code"]) == (404, "agreement.not_found")
    assert (await admin.get(f"{API}/agreements/{uuid4()}/paper.pdf")).status_code == 404
    async with client_for(app_for(world.db)) as stranger:
        assert (await stranger.get(address)).status_code == 401


async def test_names_are_text_whatever_they_are_made_of(world: World, client: Client) -> None:
    bad = '#panic("x") $y$ @z *b* \\ |p| <b> 株 שלום ' + "W" * 90
    await world.owner.execute("UPDATE company SET name = $2 WHERE id = $1", world.buyer.id, bad)
    line = OfferLine(world.part, 1, Decimal(5), None, None, "#N/1", "#let x = [$] " + bad)
    agreement_id = await signed(world, await offered(world, lines=[line], now=AT), AT)
    planner = await client(world.maker, "planner")
    made = await paper(planner, agreement_id)
    seen = closed_up(text_of(made))
    assert seen.count(closed_up('#panic("x") $y$ @z *b* \\ |p| <b> [U+682A]')) >= 5
    assert closed_up("#let x = [$] #panic") in seen
    assert closed_up("Some letters of the text are not in the typefaces") in seen
    # The company is called something else since; the paper is of what was signed.
    await world.owner.execute("UPDATE company SET name = 'Renamed' WHERE id = $1", world.buyer.id)
    again = text_of(await paper(planner, agreement_id))
    assert closed_up(f"Holder: {bad[:20]}") in closed_up(again)


async def test_a_text_that_was_changed_behind_our_back_is_not_printed(world: World, client: Client) -> None:
    agreement_id = await agreed(world)
    await world.owner.execute("UPDATE agreement SET wording = wording || ' ' WHERE id = $1", agreement_id)
    answer = await (await client(world.maker, "planner")).get(f"{API}/agreements/{agreement_id}/paper.pdf")
    assert (answer.status_code, answer.json()["code"]) == (409, "agreement.text_differs")


async def test_a_thousand_lines(world: World, client: Client) -> None:
    parts = [await world.make_part(f"{world.tag}-{n:04}-K") for n in range(1_000)]
    lines = [OfferLine(part, n + 1, Decimal(n), None, 0) for n, part in enumerate(parts)]
    agreement_id = await signed(world, await offered(world, lines=lines, now=AT), AT)
    made = await paper(await client(world.maker, "planner"), agreement_id)
    pages = [page.extract_text() for page in read(made).pages]
    seen = "".join(pages)
    assert all(f"{world.tag}-{n:04}-K" in seen for n in range(1_000))
    with_units = [page for page in pages if f"{world.tag}-" in page]
    assert len(with_units) > 20
    assert all("description" in page and "minimum" in page for page in with_units), "the head on every page"

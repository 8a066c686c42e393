"""Statements: what a month comes to, as it was known at its end; nothing that happens later changes it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import openpyxl
import pypdf
import pytest

from marketplace.documents.service import set_now
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from marketplace.settlement import queries, service
from marketplace.settlement.months import Balance, Entry, Month, Statement, running
from marketplace.settlement.printed import statement_paper
from tests.agreed import NOW, agreed, person, usd
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.settlement.owed import owes
from tests.world import Party, World

BASE = "/api/v1/settlement/statements"
JAN, FEB, MAR = Month(date(2026, 1, 1)), Month(date(2026, 2, 1)), Month(date(2026, 3, 1))


def on(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


async def line(world: World, at: datetime, amount: str = "100", **changed: Any) -> UUID:
    """The maker owes the buyer, since a moment."""
    made = await owes(world, quantity=1, unit_price=usd(amount), due_on=at.date(), **changed)
    await world.owner.execute("UPDATE settlement_line SET created_at = $2 WHERE id = $1", made, at)
    return made


async def pays(world: World, lines: Sequence[UUID], amount: str, at: datetime, confirmed: datetime | None) -> UUID:
    async with world.db.write(world.maker.tenant) as session:
        made = await service.record(
            session, person(world.maker), from_id=world.maker.id, to_id=world.buyer.id, amount=usd(amount),
            paid_on=at.date(), wanted=dict.fromkeys(lines), now=at, bank_reference="WIRE",
        )  # fmt: skip
    if confirmed:
        await confirms(world, world.buyer, made.id, confirmed)
    return made.id


async def confirms(world: World, party: Party, payment: UUID, at: datetime) -> None:
    async with world.db.write(party.tenant) as session:
        await service.confirm(session, person(party), payment, at)


async def month_of(world: World, month: Month, party: Party | None = None) -> tuple[Statement, list[Entry]]:
    who = party or world.buyer
    other = world.maker if who is world.buyer else world.buyer
    async with world.db.read(who.tenant) as session:
        found = await queries.statement(session, person(who), other.id, month, NOW)
        return found, list(await queries.all_entries(session, person(who), other.id, month))


async def balance(world: World, month: Month, party: Party | None = None) -> Balance:
    return (await month_of(world, month, party))[0].balances[0]


def test_months() -> None:
    assert str(Month.of("2026-12").next) == "2027-01"
    assert (str(JAN.previous), JAN.last) == ("2025-12", date(2026, 1, 31))
    assert Month.containing(datetime(2026, 3, 1, tzinfo=UTC) - timedelta(microseconds=1)) == FEB
    assert not FEB.closed(MAR.start)
    assert FEB.closed(MAR.start + timedelta(hours=1))
    for text in ("2026-13", "26-1", "2026-1", "1999-01", "٢٠٢٦-٠١", "2026-01x", ""):
        with pytest.raises(DomainError) as refused:
            Month.of(text)
        assert refused.value.code == "statement.month"
    with pytest.raises(DomainError) as refused:
        FEB.require_begun(JAN.start)
    assert refused.value.code == "statement.not_begun"


async def test_a_month_adds_up_and_both_sides_read_the_same(world: World) -> None:
    first = await line(world, on(1, 10), "100")
    await line(world, on(2, 3), "40")
    await line(
        world, on(2, 4), "15", by=world.buyer, payer_id=world.buyer.id, payee_id=world.maker.id, kind="late_damages"
    )
    await pays(world, [first], "60", on(2, 10), on(2, 11))
    theirs, entries = await month_of(world, FEB)
    ours, mirrored = await month_of(world, FEB, world.maker)
    assert theirs.final
    (b,), (m,) = theirs.balances, ours.balances
    assert (b.opening, b.lines, b.payments, b.closing, b.entries) == (100, 25, -60, 65, 3)
    assert (m.opening, m.lines, m.payments, m.closing) == (-100, -25, 60, -65)
    assert [(e.what, e.in_favour, e.against) for e in entries] == [("line", 40, 0), ("line", 0, 15), ("payment", 0, 60)]
    assert [(e.against, e.in_favour) for e in mirrored] == [(e.in_favour, e.against) for e in entries]
    assert running(entries, b.opening)[-1] == b.closing
    after = await balance(world, MAR)
    assert (after.opening, after.closing, after.entries) == (65, 65, 0)


async def test_nothing_that_becomes_known_later_changes_a_closed_month(world: World) -> None:
    one, two = await line(world, on(1, 5), "100"), await line(world, on(1, 6), "50")
    owed_back = await line(
        world, on(1, 7), "30", by=world.buyer, payer_id=world.buyer.id, payee_id=world.maker.id, kind="late_damages"
    )
    # Confirmed in January; said in January and confirmed in February; said in January and never confirmed.
    paid = await pays(world, [one], "70", on(1, 8), on(1, 9))
    await pays(world, [two], "20", on(1, 31, 23), on(2, 1, 0))
    waits = await pays(world, [two], "5", on(1, 20), None)
    january, before = await month_of(world, JAN)
    assert (january.balances[0].closing, january.balances[0].payments) == (50, -70)

    # Late: a payment taken back by both, one that never counted withdrawn, a credit, a set-off, a line, a payment of January.
    async with world.db.write(world.maker.tenant) as session:
        asked = await service.reverse(session, person(world.maker), paid, "The bank returned it.", on(2, 2))
        await service.reverse(session, person(world.maker), waits, "Never sent.", on(2, 3))
    await confirms(world, world.buyer, asked.id, on(2, 4))
    async with world.db.write(world.buyer.tenant) as session:
        given = await service.give_credit(
            session, person(world.buyer), two, Decimal(10), words="A seal was missing.", now=on(2, 5)
        )
    await world.owner.execute("UPDATE settlement_line SET created_at = $2 WHERE id = $1", given.id, on(2, 5))
    await world.owner.execute(
        "UPDATE payment SET payer_at = $2, payee_at = $2 WHERE how = 'credit' AND from_id = $1",
        world.maker.id,
        on(2, 5),
    )
    async with world.db.write(world.maker.tenant) as session:
        off = await service.set_off(
            session, person(world.maker), world.buyer.id, "USD", on(2, 6), line_ids=[one, owed_back]
        )
    await confirms(world, world.buyer, off.id, on(2, 7))
    await line(world, on(2, 8), "1")
    await pays(world, [one], "70", on(1, 8), on(2, 9))

    again, now = await month_of(world, JAN)
    assert again == january
    assert now == before
    feb = await balance(world, FEB)
    assert (feb.opening, feb.lines, feb.credits, feb.payments, feb.taken_back, feb.set_off) == (50, 1, -10, -90, 70, 30)
    assert feb.closing == 50 + 1 - 10 - 90 + 70
    open_now = await world.owner.fetchval(
        "SELECT sum(CASE WHEN payee_id = $1 THEN amount - paid ELSE paid - amount END) FROM settlement_line WHERE $1 IN (payer_id, payee_id)",
        world.buyer.id,
    )
    assert feb.closing == open_now, "what is open by the lines is what the statements come to"
    assert set_now(statement_paper(january, before)) == set_now(statement_paper(again, now))


async def test_a_month_that_runs_is_not_final(world: World) -> None:
    await owes(world)
    month = Month.containing(NOW)
    found, _ = await month_of(world, month)
    assert not found.final
    assert statement_paper(found, []).stamp == "Not final"
    with pytest.raises(DomainError) as refused:
        await month_of(world, month.next)
    assert refused.value.code == "statement.not_begun"


async def test_currencies_stand_apart_and_others_see_nothing(world: World) -> None:
    await agreed(world)
    await line(world, on(1, 5), "100")

    yen = await owes(world, quantity=1, unit_price=Money(Decimal(9000), "JPY"))
    await world.owner.execute("UPDATE settlement_line SET created_at = $2 WHERE id = $1", yen, on(1, 6))
    found, entries = await month_of(world, JAN)
    assert [(b.currency, b.closing) for b in found.balances] == [("JPY", 9000), ("USD", 100)]
    assert [e.currency for e in entries] == ["JPY", "USD"]
    with pytest.raises(DomainError) as refused:
        async with world.db.read(world.other.tenant) as session:
            await queries.statement(session, person(world.other), world.maker.id, JAN, NOW)
    assert refused.value.code == "statement.not_found"
    async with world.db.read(world.other.tenant) as session:
        assert not (await queries.statements(session, person(world.other), JAN, secret="s")).items
        assert not (await queries.entries(session, person(world.other), world.buyer.id, JAN, secret="s")).items


async def test_files_over_http(world: World) -> None:
    await agreed(world)
    paid = await line(world, on(1, 5), "100", cause_reference="=CALL-1")
    await pays(world, [paid], "100", on(1, 6), on(1, 7))
    token = await token_for(world.owner, world.buyer.users["auditor"], world.buyer.id)
    async with client_for(app_for(world.db), token) as client:
        at = f"{BASE}/{world.maker.id}/2026-01"
        stated = (await client.get(at)).json()
        assert (stated["final"], stated["balances"][0]["closing"]) == (True, "0.0000")
        listed = (await client.get(BASE, params={"day": "2026-01-31"})).json()["items"]
        assert [x["other"] for x in listed] == [world.maker.name]
        assert (await client.get(f"{BASE}/{world.maker.id}/2026-13")).json()["code"] == "statement.month"
        before = (await client.get(f"{BASE}/{world.maker.id}/1999-01")).json()
        assert before["detail"] == "There are statements from 2000 on; 1999-01 lies before."
        assert (await client.get(f"{BASE}/{uuid4()}/2026-01")).status_code == 404
        file = await client.get(f"{at}/statement.csv")
        assert "'=CALL-1" in file.text
        rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
        assert [(r["What"], r["Kind"]) for r in (rows[0], rows[-1])] == [
            ("opening", "Opening balance"), ("closing", "Closing balance"),
        ]  # fmt: skip
        assert [Decimal(r["Balance"]) for r in rows] == [0, 100, 0, 0]
        adds_up = sum(Decimal(r["In our favour"]) - Decimal(r["Against us"]) for r in rows[1:-1])
        assert Decimal(rows[0]["Balance"]) + adds_up == Decimal(rows[-1]["Balance"])
        book = openpyxl.load_workbook(io.BytesIO((await client.get(f"{at}/statement.xlsx")).content))
        cells = [[c.value for c in row] for row in book.active]
        assert [row[-1] for row in cells] == ["Balance", 0, 100, 0, 0]
        assert cells[2][5].startswith("=CALL-1")
        assert book.active.cell(3, 6).data_type == "s", "a text is no formula"
        paper = await client.get(f"{at}/statement.pdf")
        assert paper.headers["content-type"] == "application/pdf"
        assert paper.content == (await client.get(f"{at}/statement.pdf")).content
        text = "\n".join(p.extract_text() for p in pypdf.PdfReader(io.BytesIO(paper.content)).pages)
        for words in ("Statement January 2026", "Closing balance", "nothing", "100.00", "Payment"):
            assert words in text, words


async def test_ten_thousand_lines_a_month_take_as_many_statements_as_one(world: World) -> None:
    await line(world, on(1, 5))

    async def read() -> int:
        with counted(world.db) as sent:
            await month_of(world, JAN)
            async with world.db.read(world.buyer.tenant) as session:
                await queries.entries(session, person(world.buyer), world.maker.id, JAN, limit=500, secret="s")
                await queries.statements(session, person(world.buyer), JAN, secret="s")
        return len(sent)

    few = await read()
    await world.owner.execute(
        "INSERT INTO settlement_line (reference, payer_id, payee_id, kind, cause_id, cause_reference, part_id, quantity, unit_price, "
        "amount, currency, words, due_on, created_at) "
        "SELECT 'SET-' || $4 || n, $1, $2, 'call_price', gen_random_uuid(), 'CALL-' || n, $3, 1, 10, 10, 'USD', 'w', '2026-02-01', "
        "'2026-01-10T00:00:00Z'::timestamptz + n * interval '1 minute' FROM generate_series(1, 10000) n",
        world.maker.id, world.buyer.id, world.part, world.tag,
    )  # fmt: skip
    assert await read() == few
    found, entries = await month_of(world, JAN)
    assert found.balances[0].closing == 100_100
    assert len(entries) == 10_001
    assert running(entries, Decimal(0))[-1] == 100_100

"""Payments: recorded by one side, confirmed by the other, never more than is owed, taken back by a row of their own."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from marketplace.db.session import execute
from marketplace.kit.errors import DomainError
from marketplace.settlement import queries, service
from marketplace.settlement.queries import PaymentFilter, PaymentRow, SettlementFilter
from marketplace.settlement.states import LineState, due_amount, is_overdue, line_state
from tests.agreed import NOW, person, rows_of, usd
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.settlement.owed import line_of, marks, owes
from tests.world import Party, World

TABLES = ("settlement_line", "payment", "payment_allocation", "outbox_event")
BASE = "/api/v1/settlement"


async def pays(
    world: World, amount: str, wanted: dict[UUID, str | None], *, by: Party | None = None, **changed: Any
) -> PaymentRow:
    """The maker pays the buyer; recorded by the maker unless said otherwise."""
    party = by or world.maker
    usual: dict[str, Any] = {"from_id": world.maker.id, "to_id": world.buyer.id, "paid_on": NOW.date()}
    async with world.db.write(party.tenant) as session:
        return await service.record(
            session, person(party), amount=usd(amount), now=NOW,
            wanted={line: None if share is None else Decimal(share) for line, share in wanted.items()}, **{**usual, **changed},
        )  # fmt: skip


async def confirms(world: World, party: Party, payment: UUID) -> PaymentRow:
    async with world.db.write(party.tenant) as session:
        return await service.confirm(session, person(party), payment, NOW)


async def reverses(world: World, party: Party, payment: UUID, reason: str = "It came back.") -> PaymentRow:
    async with world.db.write(party.tenant) as session:
        return await service.reverse(session, person(party), payment, reason, NOW)


def test_the_state_follows_from_the_amounts() -> None:
    def d(x: int) -> Decimal:
        return Decimal(x)

    assert line_state(d(10), d(0), d(0)) is LineState.DUE
    assert line_state(d(10), d(4), d(0)) is LineState.PART_PAID
    assert line_state(d(10), d(10), d(0)) is LineState.PAID
    assert line_state(d(10), d(4), d(6)) is LineState.DISPUTED
    assert line_state(d(10), d(4), d(5)) is LineState.PART_PAID
    # A credit takes off like a payment, and is none.
    assert line_state(d(10), d(0), d(0), d(4)) is LineState.PART_CREDITED
    assert line_state(d(10), d(0), d(0), d(10)) is LineState.CREDITED
    assert line_state(d(10), d(6), d(0), d(4)) is LineState.PAID
    assert line_state(d(10), d(2), d(0), d(4)) is LineState.PART_PAID
    assert line_state(d(10), d(0), d(6), d(4)) is LineState.DISPUTED
    assert due_amount(d(10), d(1), d(5), d(4)) == 0
    assert due_amount(d(10), d(4), d(5)) == 1
    assert due_amount(d(10), d(8), d(5)) == 0
    day = date(2026, 11, 30)
    assert is_overdue(d(10), d(4), d(5), day, day + timedelta(days=1))
    assert not is_overdue(d(10), d(4), d(6), day, day + timedelta(days=1))
    assert not is_overdue(d(10), d(4), d(5), day, day)


async def test_part_paid_then_paid(world: World) -> None:
    line = await owes(world)  # 270.30
    first = await pays(world, "100", {line: None}, bank_reference="WIRE 1")
    assert (first.status, first.allocated, first.waits_for(world.buyer.id)) == ("waits_for_payee", Decimal(100), True)
    said = await line_of(world, line)
    assert (said.state, said.allocated, said.paid) == (LineState.DUE, Decimal(100), Decimal(0))
    assert (await confirms(world, world.buyer, first.id)).confirmed
    part = await line_of(world, line)
    assert (part.state, part.paid, part.waiting_for) == (LineState.PART_PAID, Decimal(100), ("payer", "payee"))
    # The buyer says itself that the rest came in; the maker's mark confirms that and nothing else.
    rest = await pays(world, "170.30", {line: "170.30"}, by=world.buyer)
    assert rest.status == "waits_for_payer"
    assert (await line_of(world, line)).waiting_for == ("payer",)
    assert (await marks(world, world.maker, line)).settled
    assert (await line_of(world, line)).state is LineState.PAID
    async with world.db.read(world.buyer.tenant) as session:
        paying = await queries.line_payments(session, line)
        assert [(a.payment, a.amount, a.status) for a in paying] == [
            (first.reference, Decimal(100), "confirmed"), (rest.reference, Decimal("170.30"), "confirmed"),
        ]  # fmt: skip
        ids = {
            state: [r.id for r in (await queries.settlement_lines(session, person(world.buyer), SettlementFilter(state=state, today=NOW.date()), secret="s")).items]
            for state in ("due", "part_paid", "paid", "overdue", "disputed")
        }  # fmt: skip
    assert ids == {"due": [], "part_paid": [], "paid": [line], "overdue": [], "disputed": []}
    events = await world.owner.fetch("SELECT name FROM outbox_event WHERE aggregate_id = $1 ORDER BY id", line)
    assert [e["name"] for e in events] == ["settlement.owed", "settlement.settled"]


async def test_a_mark_is_a_payment(world: World) -> None:
    line = await owes(world)
    await marks(world, world.maker, line)
    async with world.db.read(world.buyer.tenant) as session:
        (one,) = (
            await queries.payments(session, person(world.buyer), PaymentFilter(state="waiting"), secret="s")
        ).items
        assert (await queries.waiting(session, world.buyer.id)).payments == 1
    assert (one.how, one.amount, one.status) == ("marked", Decimal("270.30"), "waits_for_payee")
    assert (await confirms(world, world.buyer, one.id)).confirmed
    assert (await line_of(world, line)).settled
    async with world.db.read(world.buyer.tenant) as session:
        assert (await queries.waiting(session, world.buyer.id)).payments == 0


@pytest.mark.parametrize(
    ("amount", "share", "changed", "code"),
    [
        ("300", "270.31", {}, "payment.over"),
        ("100", "100.01", {}, "payment.more_than_paid"),
        ("0", None, {}, "payment.amount"),
        ("1.001", None, {}, "payment.amount"),
        ("100", None, {"paid_on": NOW.date() + timedelta(days=2)}, "payment.paid_on"),
        ("100", None, {"to_id": "other"}, "payment.line"),
        ("100", None, {"from_id": "buyer", "to_id": "maker"}, "payment.line"),
        ("100", None, {"from_id": "buyer", "to_id": "other"}, "payment.sides"),
    ],
)
async def test_payments_that_cannot_be(
    world: World, amount: str, share: str | None, changed: dict[str, Any], code: str
) -> None:
    line = await owes(world)
    before = await rows_of(world, *TABLES)
    companies = {k: getattr(world, v).id if isinstance(v, str) else v for k, v in changed.items()}
    with pytest.raises(DomainError) as refused:
        await pays(world, amount, {line: share}, **companies)
    assert refused.value.code == code
    assert await rows_of(world, *TABLES) == before


async def test_no_payment_to_a_stranger(world: World) -> None:
    before = await rows_of(world, *TABLES)
    for stranger in (world.other.id, uuid4()):
        with pytest.raises(DomainError) as refused:
            await pays(world, "1", {}, to_id=stranger)
        assert refused.value.code == "payment.other"
    assert await rows_of(world, *TABLES) == before


async def test_nobody_pays_a_line_twice(world: World) -> None:
    """Ten people of both sides pay the same two lines at once, in whatever order they name them."""
    first, second = await owes(world), await owes(world)

    async def one(n: int) -> bool:
        wanted: dict[UUID, str | None] = {first: "90.10", second: "90.10"}
        by = world.maker if n % 2 else world.buyer
        try:
            await pays(world, "180.20", dict(reversed(wanted.items())) if n % 3 else wanted, by=by)
        except DomainError as refused:
            if refused.code != "payment.over":
                raise
            return False
        return True

    assert sum(await asyncio.gather(*(one(n) for n in range(10)))) == 3
    for line in (first, second):
        found = await line_of(world, line)
        assert found.allocated == found.amount == Decimal("270.30")
        facts = await world.owner.fetchval("SELECT sum(amount) FROM payment_allocation WHERE line_id = $1", line)
        assert facts == found.allocated


async def test_the_database_refuses_more_than_is_owed(world: World) -> None:
    line = await owes(world)
    with pytest.raises(asyncpg.CheckViolationError):
        async with world.db.write(world.maker.tenant) as session:
            await execute(session, "UPDATE settlement_line SET allocated = amount + 1 WHERE id = $1", line)
    for statement in (
        "UPDATE settlement_line SET amount = 1", "UPDATE payment SET amount = 1", "DELETE FROM payment",
        "UPDATE payment_allocation SET amount = 1", "DELETE FROM payment_allocation",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.db.write(world.maker.tenant) as session:
                await execute(session, statement)


async def test_what_is_not_confirmed_is_taken_back_at_once(world: World) -> None:
    line = await owes(world)
    for party in (world.maker, world.buyer):  # withdrawn by who recorded it; not accepted by the other
        one = await pays(world, "100", {line: None})
        back = await reverses(world, party, one.id, "Never sent.")
        assert (back.how, back.confirmed, back.reverses_id) == ("reversal", True, one.id)
        found = await line_of(world, line)
        assert (found.allocated, found.paid) == (0, 0)
        before = await rows_of(world, *TABLES)
        with pytest.raises(DomainError) as refused:
            await confirms(world, world.buyer, one.id)
        assert refused.value.code == "payment.confirmed"
        with pytest.raises(DomainError) as refused:
            await reverses(world, party, one.id)
        assert refused.value.code == "payment.state"
        assert await rows_of(world, *TABLES) == before


async def test_what_both_confirmed_is_taken_back_by_both(world: World) -> None:
    line = await owes(world)
    one = await pays(world, "270.30", {line: None})
    await confirms(world, world.buyer, one.id)
    asked = await reverses(world, world.maker, one.id)
    assert asked.status == "waits_for_payee"
    assert (await line_of(world, line)).settled
    with pytest.raises(DomainError) as twice:
        await reverses(world, world.buyer, one.id)
    assert twice.value.code == "payment.state"
    # Refused first, and asked for again: then agreed to.
    assert (await reverses(world, world.buyer, asked.id)).status == "reversed"
    assert (await line_of(world, line)).settled
    again = await reverses(world, world.maker, one.id)
    assert (await confirms(world, world.buyer, again.id)).confirmed
    found = await line_of(world, line)
    assert (found.state, found.allocated, found.settled) == (LineState.DUE, Decimal(0), False)
    facts = await world.owner.fetch(
        "SELECT amount FROM payment_allocation WHERE payment_id = $1 ORDER BY amount", one.id
    )
    assert [f["amount"] for f in facts] == [Decimal("-270.30"), Decimal("270.30")]


async def test_the_rest_of_a_payment_is_allocated_later(world: World) -> None:
    line = await owes(world)
    one = await pays(world, "500", {line: None})
    assert (one.allocated, one.left) == (Decimal("270.30"), Decimal("229.70"))
    later = await owes(world)
    with pytest.raises(DomainError) as refused:
        async with world.db.write(world.buyer.tenant) as session:
            await service.allocate(session, person(world.buyer), one.id, {later: None}, NOW)
    assert refused.value.code == "payment.state"
    async with world.db.write(world.maker.tenant) as session:
        assert (await service.allocate(session, person(world.maker), one.id, {later: None}, NOW)).left == 0
    await confirms(world, world.buyer, one.id)
    assert (await line_of(world, line)).settled
    assert (await line_of(world, later)).paid == Decimal("229.70")
    # A mark does not confirm a payment of other lines by the way.
    third, fourth = await owes(world), await owes(world)
    both = await pays(world, "540.60", {third: None, fourth: None})
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refused:
        await marks(world, world.buyer, third)
    assert (refused.value.code, refused.value.extra["payment_id"]) == ("settlement.confirm", str(both.id))
    assert await rows_of(world, *TABLES) == before


async def test_a_set_off_needs_both(world: World) -> None:
    ours = await owes(world, due_on=date(2026, 1, 5))
    more = await owes(world, due_on=date(2026, 1, 9))
    theirs = await owes(world, payer_id=world.buyer.id, payee_id=world.maker.id, kind="freight", unit_price=usd("100"))
    async with world.db.write(world.maker.tenant) as session:
        one = await service.set_off(session, person(world.maker), world.buyer.id, "USD", NOW)
    assert (one.amount, one.how, one.status) == (Decimal(300), "set_off", "waits_for_payee")
    async with world.db.read(world.buyer.tenant) as session:
        shares = {a.line_id: a.amount for a in await queries.allocations_of(session, one.id)}
    assert shares == {ours: Decimal("270.30"), more: Decimal("29.70"), theirs: Decimal(300)}
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as nothing:
        async with world.db.write(world.buyer.tenant) as session:
            await service.set_off(session, person(world.buyer), world.maker.id, "USD", NOW)
    assert nothing.value.code == "setoff.nothing"
    assert await rows_of(world, *TABLES) == before
    await confirms(world, world.buyer, one.id)
    assert (await line_of(world, ours)).settled
    assert (await line_of(world, theirs)).settled
    assert (await line_of(world, more)).paid == Decimal("29.70")
    async with world.db.write(world.maker.tenant) as session:
        asked = await service.reverse(session, person(world.maker), one.id, "Wrong month.", NOW)
    await confirms(world, world.buyer, asked.id)
    assert [(await line_of(world, line)).allocated for line in (ours, more, theirs)] == [0, 0, 0]


async def test_set_offs_at_once_net_each_line_once(world: World) -> None:
    await owes(world)
    await owes(world, payer_id=world.buyer.id, payee_id=world.maker.id, kind="freight")

    async def one(party: Party, other: Party) -> bool:
        try:
            async with world.db.write(party.tenant) as session:
                await service.set_off(session, person(party), other.id, "USD", NOW)
        except DomainError as refused:
            if refused.code != "setoff.nothing":
                raise
            return False
        return True

    tries = [one(*pair) for pair in ((world.maker, world.buyer), (world.buyer, world.maker)) for _ in range(4)]
    assert sum(await asyncio.gather(*tries)) == 1


async def test_a_credit_is_set_against_its_line_and_owed_back_beyond(world: World) -> None:
    line = await owes(world)
    one = await pays(world, "200", {line: None})
    await confirms(world, world.buyer, one.id)

    async def takes_back(party: Party, amount: str) -> queries.SettlementRow:
        async with world.db.write(party.tenant) as session:
            return await service.give_credit(
                session, person(party), line, Decimal(amount), words="A seal was missing.", now=NOW
            )

    counter = await takes_back(world.buyer, "100.30")
    assert (counter.kind, counter.payer_id, counter.counters_id) == ("credit", world.buyer.id, line)
    assert (counter.paid, counter.credited, counter.amount) == (0, Decimal("70.30"), Decimal("100.30"))
    assert (counter.quantity, counter.uom, counter.unit_price) == (None, None, None), "a credit counts no units"
    assert (await line_of(world, line)).settled
    for party, amount, code in (
        (world.maker, "1", "settlement.not_found"), (world.buyer, "170.01", "settlement.credit"), (world.buyer, "0.001", "settlement.credit"),
    ):  # fmt: skip
        before = await rows_of(world, *TABLES)
        with pytest.raises(DomainError) as refused:
            await takes_back(party, amount)
        assert refused.value.code == code
        assert await rows_of(world, *TABLES) == before


async def test_what_is_credited_is_told_apart_from_what_is_paid(world: World) -> None:
    """In the list, on the line, in both files and in the sums; by the API and on pages."""
    line = await owes(world)  # 270.30
    async with world.db.write(world.buyer.tenant) as session:
        await service.give_credit(session, person(world.buyer), line, Decimal(50), words="A seal was missing.", now=NOW)
    row = await line_of(world, line)
    assert (row.state, row.paid, row.allocated, row.credited, row.left) == (
        LineState.PART_CREDITED,
        0,
        0,
        50,
        Decimal("220.30"),
    )
    app = app_for(world.db)
    async with client_for(app, await token_for(world.owner, world.maker.users["planner"], world.maker.id)) as maker:
        told = (await maker.get(f"{BASE}/{line}")).json()
        assert [told[k] for k in ("state", "paid", "allocated", "credited", "due_amount")] == [
            "part_credited", "0.0000", "0.0000", "50.0000", "220.3000",
        ]  # fmt: skip
        (counter,) = told["counter_lines"]
        assert (counter["state"], counter["quantity"], counter["uom"], counter["unit_price"]) == (
            "credited",
            None,
            None,
            None,
        )
        (owed,) = [t for t in (await maker.get(f"{BASE}/totals")).json() if t["side"] == "payer"]
        assert (owed["open_amount"], owed["settled_amount"], owed["credited_amount"]) == (
            "220.3000",
            "0.0000",
            "50.0000",
        )
        for state, found in (("part_paid", []), ("paid", []), ("credited", [told["id"]]), ("due", [told["id"]])):
            listed = (await maker.get(f"{BASE}?side=payer&state={state}")).json()["items"]
            assert [x["id"] for x in listed] == found, state
        rows = list(csv.DictReader(io.StringIO((await maker.get(f"{BASE}.csv")).text.lstrip("﻿"))))
        assert {(r["State"], r["Paid"], r["Credited"], r["Quantity"], r["Unit"], r["Unit price"]) for r in rows} == {
            ("part_credited", "0.00", "50.00", "3", "EA", "90.10"), ("credited", "0.00", "50.00", "", "", ""),
        }  # fmt: skip
        one = await pays(world, "220.30", {line: None})
        await confirms(world, world.buyer, one.id)
        assert (await line_of(world, line)).state is LineState.PAID, "the rest of it was paid"


async def test_a_line_over_nothing_is_settled(world: World) -> None:
    line = await owes(world, unit_price=usd("0"))
    assert (await line_of(world, line)).settled
    assert (await line_of(world, line)).state is LineState.PAID


FILE = """reference;amount;date;lines
WIRE 1;370,30;2026-11-01;{a} {b}
WIRE 2;9.99;2026-11-02;SET-NOWHERE
;5.00;2026-11-02;{b}
WIRE 4;x;soon;{b}
WIRE 5;500.00;2026-11-02;{b}
WIRE 6;100.00;2026-11-03;{b}
WIRE 6;100.00;2026-11-03;{b}
WIRE 7;10.00;2026-11-03;{c}
WIRE 8;10.00;2026-11-03;{b},{c}
"""


async def test_a_file_of_payments(world: World) -> None:
    a, b = await owes(world, due_on=date(2026, 1, 1)), await owes(world, due_on=date(2026, 2, 1))
    c = await owes(world, payer_id=world.buyer.id, payee_id=world.maker.id, kind="freight")
    names = {n: (await line_of(world, x)).reference for n, x in (("a", a), ("b", b), ("c", c))}
    text = FILE.format(**names)
    before = await rows_of(world, *TABLES)
    async with world.db.read(world.maker.tenant) as session:
        seen = await service.preview(session, person(world.maker), text, NOW)
    assert [(x.row.number, x.fate) for x in seen] == [
        (2, "good"), (3, "bad"), (4, "bad"), (5, "bad"), (6, "bad"), (7, "good"), (8, "bad"), (9, "good"), (10, "bad"),
    ]  # fmt: skip
    assert "no line SET-NOWHERE" in seen[1].words
    assert "no reference" in seen[2].words
    assert len(seen[3].problems) == 2
    assert "170.30 USD of its lines is left" in seen[4].words
    assert "row 7 already" in seen[6].words
    assert "different companies" in seen[8].words
    assert await rows_of(world, *TABLES) == before

    async def lands() -> list[str]:
        async with world.db.write(world.maker.tenant) as session:
            return [x.fate for x in await service.import_payments(session, person(world.maker), text, NOW)]

    fates = await asyncio.gather(*(lands() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(f, list) and f.count("good") == 3 for f in fates) == 1, fates
    after = await rows_of(world, *TABLES)
    assert [f for f in await lands() if f != "bad"] == ["known"] * 4
    assert await rows_of(world, *TABLES) == after
    assert [(await line_of(world, x)).allocated for x in (a, b, c)] == [Decimal("270.30"), Decimal(200), Decimal(10)]
    # Of what the maker received, the maker's word is the payee's.
    rows = await world.owner.fetch(
        "SELECT payer_at, payee_at, bank_reference FROM payment WHERE $1 IN (from_id, to_id) ORDER BY bank_reference", world.maker.id
    )  # fmt: skip
    assert [(r["payer_at"] is None, r["payee_at"] is None) for r in rows] == [
        (False, True),
        (False, True),
        (True, False),
    ]


@pytest.mark.parametrize("text", ["", "reference,amount\n1,2\n", "reference,amount,date,lines\n", "a\x00b"])
async def test_files_that_cannot_be_read(world: World, text: str) -> None:
    async with world.db.read(world.maker.tenant) as session:
        with pytest.raises(DomainError) as refused:
            await service.preview(session, person(world.maker), text, NOW)
    assert refused.value.code == "payments.file"


async def test_payments_over_http(world: World) -> None:
    line = await owes(world)
    app = app_for(world.db)
    body = {
        "direction": "paid", "other_id": str(world.buyer.id), "amount": "100.00", "currency": "USD", "paid_on": "2026-11-20",
        "lines": [{"line_id": str(line), "amount": "100.00"}],
    }  # fmt: skip
    async with client_for(app, await token_for(world.owner, world.maker.users["planner"], world.maker.id)) as maker:
        key = {"Idempotency-Key": f"pay-{world.tag}"}
        made = await maker.post(BASE + "/payments", json=body, headers=key)
        assert made.status_code == 201, made.text
        assert made.json() == (await maker.post(BASE + "/payments", json=body, headers=key)).json()
        one = made.json()
        assert (one["amount"], one["status"], one["allocations"][0]["line_id"]) == (
            "100.0000",
            "waits_for_payee",
            str(line),
        )
        again = {**body, "lines": [*body["lines"], *body["lines"]]}
        assert (await maker.post(BASE + "/payments", json=again)).json()["code"] == "payment.line"
        preview = await maker.post(
            BASE + "/payments/import", json={"text": "reference,amount,date,lines\nA,1,2026-11-01,SET-X\n"}
        )
        assert (preview.json()["bad"], preview.json()["recorded"]) == (1, False)
    async with client_for(app, await token_for(world.owner, world.other.users["buyer"], world.other.id)) as outsider:
        assert (await outsider.get(BASE + "/payments")).json()["items"] == []
        for path in (f"/payments/{one['id']}", f"/{line}"):
            assert (await outsider.get(BASE + path)).status_code == 404
        assert (await outsider.post(f"{BASE}/payments/{one['id']}/confirm")).status_code == 404
        theirs = {**body, "direction": "received", "other_id": str(world.maker.id)}
        assert (await outsider.post(BASE + "/payments", json=theirs)).status_code == 404
        off = {"other_id": str(world.maker.id), "currency": "USD", "line_ids": [str(line)]}
        assert (await outsider.post(BASE + "/set-offs", json=off)).status_code == 404
    async with client_for(app, await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)) as buyer:
        assert (await buyer.post(f"{BASE}/payments/{one['id']}/confirm")).json()["status"] == "confirmed"
        assert (await buyer.post(f"{BASE}/payments/{one['id']}/confirm")).status_code == 409
        found = (await buyer.get(f"{BASE}/{line}")).json()
        assert (found["state"], found["paid"], found["due_amount"]) == ("part_paid", "100.0000", "170.3000")
        assert len(found["payments"]) == 1
        counter = await buyer.post(f"{BASE}/{line}/credit", json={"amount": "0.30", "words": "Rounded."})
        assert (counter.status_code, counter.json()["kind"]) == (201, "credit")
        asked = await buyer.post(f"{BASE}/payments/{one['id']}/reverse", json={"reason": "Bounced."})
        assert asked.json()["status"] == "waits_for_payer"
    async with client_for(app, await token_for(world.owner, world.buyer.users["auditor"], world.buyer.id)) as auditor:
        assert (await auditor.get(f"{BASE}/payments/{one['id']}")).status_code == 200
        assert (await auditor.post(f"{BASE}/payments/{one['id']}/confirm")).status_code == 403


async def test_one_row_takes_as_many_statements_as_many(world: World) -> None:
    async def statements(count: int) -> Counter[str]:
        lines = [(await line_of(world, await owes(world))).reference for _ in range(count)]
        text = "reference,amount,date,lines\n" + "".join(f"{uuid4()},1,2026-11-01,{line}\n" for line in lines)
        with counted(world.db) as sent:
            async with world.db.write(world.maker.tenant) as session:
                assert {x.fate for x in await service.import_payments(session, person(world.maker), text, NOW)} == {
                    "good"
                }
        return Counter(sent)

    assert await statements(1) == await statements(7)

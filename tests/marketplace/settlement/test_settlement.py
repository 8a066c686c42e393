"""What is owed: written once for a cause, marked by each side, settled when both have."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.kit.errors import DomainError
from marketplace.settlement import queries
from marketplace.settlement.queries import SettlementFilter
from tests.agreed import NOW, person, rows_of, usd
from tests.clients import app_for, client_for, token_for
from tests.marketplace.settlement.owed import marks, owes
from tests.world import Party, World

BASE = "/api/v1/settlement"


async def test_one_cause_one_line(world: World) -> None:
    cause = uuid4()
    lines = await asyncio.gather(*(owes(world, cause) for _ in range(5)))
    assert len(set(lines)) == 1
    before = await rows_of(world, "settlement_line", "outbox_event")
    with pytest.raises(DomainError) as other:
        await owes(world, cause, quantity=4)
    assert other.value.code == "settlement.other_terms"
    assert await rows_of(world, "settlement_line", "outbox_event") == before
    async with world.db.read(world.buyer.tenant) as session:
        row = await queries.settlement_line(session, lines[0])
        assert [x.id for x in await queries.lines_of_cause(session, cause)] == [lines[0]]
        assert await queries.lines_of_cause(session, uuid4()) == []
    assert (row.amount, row.currency, row.waiting_for) == (usd("270.30").amount, "USD", ("payer", "payee"))
    assert row.reference.startswith("SET-")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"quantity": 0}, "settlement.quantity"),
        ({"unit_price": usd("-1")}, "settlement.line"),
        ({"kind": "wish"}, "settlement.kind"),
        ({"kind": "credit"}, "settlement.kind"),
    ],
)
async def test_lines_that_cannot_be(world: World, changed: dict[str, Any], code: str) -> None:
    before = await rows_of(world, "settlement_line")
    with pytest.raises(DomainError) as refused:
        await owes(world, **changed)
    assert refused.value.code == code
    assert await rows_of(world, "settlement_line") == before


async def test_settled_when_both_have_marked(world: World) -> None:
    line = await owes(world)
    first = await marks(world, world.buyer, line)
    assert (first.settled, first.waiting_for) == (False, ("payer",))
    before = await rows_of(world, "settlement_line", "outbox_event")
    for party, code in ((world.buyer, "settlement.marked"), (world.other, "settlement.not_found")):
        with pytest.raises(DomainError) as refused:
            await marks(world, party, line)
        assert refused.value.code == code
    assert await rows_of(world, "settlement_line", "outbox_event") == before
    assert (await marks(world, world.maker, line)).settled
    events = await world.owner.fetch("SELECT name FROM outbox_event WHERE aggregate_id = $1 ORDER BY id", line)
    assert [e["name"] for e in events] == ["settlement.owed", "settlement.marked", "settlement.settled"]


async def test_both_marking_at_once_settles_exactly_once(world: World) -> None:
    for _ in range(5):
        line = await owes(world)
        states = await asyncio.gather(marks(world, world.maker, line), marks(world, world.buyer, line))
        assert sorted(s.settled for s in states) == [False, True]


async def test_lists_filters_and_totals(world: World) -> None:
    late = await owes(world, due_on=date(2026, 1, 1))
    mine = await owes(world, payer_id=world.buyer.id, payee_id=world.maker.id, unit_price=usd("10"))
    done = await owes(world)
    for party in (world.maker, world.buyer):
        await marks(world, party, done)
    await marks(world, world.buyer, mine)

    async def ids(party: Party, wanted: SettlementFilter) -> list[UUID]:
        async with world.db.read(party.tenant) as session:
            page = await queries.settlement_lines(session, person(party), wanted, secret="s")
        return [r.id for r in page.items]

    assert await ids(world.buyer, SettlementFilter()) == [done, mine, late]
    assert await ids(world.buyer, SettlementFilter(side="payer")) == [mine]
    assert await ids(world.buyer, SettlementFilter(state="waiting")) == [late]
    assert await ids(world.maker, SettlementFilter(state="waiting")) == [mine, late]
    assert await ids(world.buyer, SettlementFilter(state="settled")) == [done]
    assert await ids(world.buyer, SettlementFilter(due_before=NOW.date())) == [late]
    assert await ids(world.buyer, SettlementFilter(other_id=world.other.id)) == []
    assert await ids(world.other, SettlementFilter()) == []
    async with world.db.read(world.buyer.tenant) as session:
        totals = {t.side: t for t in await queries.settlement_totals(session, person(world.buyer), NOW.date())}
    assert (totals["payee"].open_amount, totals["payee"].overdue_amount, totals["payee"].settled_amount) == (
        usd("270.30").amount, usd("270.30").amount, usd("270.30").amount,
    )  # fmt: skip
    assert (totals["payee"].waiting, totals["payer"].waiting, totals["payer"].open_lines) == (1, 0, 1)


async def test_over_http(world: World) -> None:
    lines = [await owes(world, words="=1+1") for _ in range(5)]
    app = app_for(world.db)
    one = f"{BASE}/{lines[0]}"
    async with client_for(app) as anonymous:
        for path in ("", ".csv", "/totals", f"/{lines[0]}"):
            assert (await anonymous.get(BASE + path)).status_code == 401
        assert (await anonymous.post(one + "/mark")).status_code == 401
    async with client_for(app, await token_for(world.owner, world.other.users["buyer"], world.other.id)) as outsider:
        assert (await outsider.get(BASE)).json()["items"] == []
        assert (await outsider.get(one)).status_code == 404
        assert (await outsider.post(one + "/mark")).status_code == 404
        assert (await outsider.get(BASE + "/totals")).json() == []
    async with client_for(app, await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)) as buyer:
        page = (await buyer.get(BASE, params={"limit": 3})).json()
        rest = (await buyer.get(BASE, params={"limit": 3, "after": page["next"]})).json()
        assert [i["id"] for i in page["items"] + rest["items"]] == [str(x) for x in reversed(lines)]
        assert rest["next"] is None
        key = {"Idempotency-Key": f"mark-{world.tag}"}
        first = await buyer.post(one + "/mark", headers=key)
        assert first.json() == (await buyer.post(one + "/mark", headers=key)).json()
        assert first.json()["waiting_for"] == ["payer"]
        assert (await buyer.post(one + "/mark")).status_code == 409
        export = await buyer.get(BASE + ".csv")
    rows = list(csv.reader(io.StringIO(export.content.decode("utf-8-sig"))))
    assert len(rows) == 6
    assert {r[-1] for r in rows[1:]} == {"'=1+1"}
    async with client_for(app, await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)) as clerk:
        assert (await clerk.get(BASE)).status_code == 403

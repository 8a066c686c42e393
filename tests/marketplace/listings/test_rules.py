"""Finding what to release by rules, parts that never are, many lines changed by one rule, and a second person's word above a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import dump_terms
from marketplace.listings.formulas import Formula, LineNow, applied
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

LINE = LineNow(10, Decimal(80), 4, 4, 3, 23, Decimal("99.90"), Decimal("41.37"))


@pytest.mark.parametrize(
    ("formula", "then"),
    [
        (Formula(Decimal(60)), (10, "59.94", 4, 3)), (Formula(Decimal(60), step=Decimal(5)), (10, "60", 4, 3)),
        (Formula(Decimal(110), "cost"), (10, "45.51", 4, 3)), (Formula(Decimal(50), "present", Decimal(1)), (10, "40", 4, 3)),
        (Formula(share=Decimal(50)), (12, "80", 4, 3)), (Formula(share=Decimal(100)), (20, "80", 4, 3)), (Formula(share=Decimal(1)), (4, "80", 4, 3)),
        (Formula(keep=Decimal(25)), (10, "80", 4, 3)), (Formula(Decimal("0.01"), step=Decimal(10)), (10, "10", 4, 3)), (Formula(Decimal(0)), (10, "0", 4, 3)),
    ],
)  # fmt: skip
def test_a_rule_changes_what_it_names(formula: Formula, then: tuple[int, str, int, int]) -> None:
    [line] = applied(formula, [LINE])
    assert (line.quantity, line.unit_price, line.minimum_quantity, line.minimum_to_keep) == (
        then[0],
        Decimal(then[1]),
        *then[2:],
    )


def test_a_line_without_a_base_keeps_its_price_and_says_so() -> None:
    [line] = applied(Formula(Decimal(60)), [LineNow(10, Decimal(80), 1, 1, 0, 10, None, None)])
    assert (line.unit_price, line.why_not) == (Decimal(80), "No list price is known: its price stays.")


@given(
    st.integers(1, 500),
    st.integers(1, 40),
    st.integers(0, 500),
    st.decimals(0, 100, places=1),
    st.decimals(0, 100, places=1),
)
def test_whatever_the_rule_a_line_stays_one_that_can_be_offered(
    packages: int, package: int, more: int, share: Decimal, keep: Decimal
) -> None:
    now = LineNow(packages * package, Decimal(5), package, package, 0, packages * package + more, Decimal(7), None)
    [line] = applied(Formula(share=share, keep=keep), [now])
    assert line.quantity % package == 0
    assert package <= line.quantity <= now.free
    assert 0 <= line.minimum_to_keep <= line.quantity


# -- over the API ----------------------------------------------------------------------------------------


class Shop:
    """A manufacturer with four stock lines, two planners and an administrator."""

    def __init__(self, world: World, job: Job, admin: httpx.AsyncClient, parts: dict[str, UUID]) -> None:
        self.world, self.job, self.admin, self.parts = world, job, admin, parts
        self.planner = job.planner

    async def found(self, **rules: object) -> list[str]:
        """The parts that rules describe, by name, in order; a page of two at a time."""
        names = {str(part): name for name, part in self.parts.items()}
        answer: dict[str, Any] = {"next": ""}
        found: list[str] = []
        while answer["next"] is not None:
            more = {"after": answer["next"]} if answer["next"] else {}
            answer = await ok(self.planner.get(f"{API}/candidates", params={**rules, **more, "limit": 2}))
            found += [names[c["part_id"]] for c in answer["items"]]
        totals = await ok(self.planner.get(f"{API}/candidates/totals", params=rules))
        assert totals["lines"] == len(found)
        return found

    async def draft(self) -> str:
        chosen = PRESETS["standard-buy-back"].terms()
        body = {
            "title": "Slow stock", "clause": chosen.clause, "version": chosen.version, "use_class": "non_capital_spare", "terms": dump_terms(chosen),
        }  # fmt: skip
        return str((await ok(self.planner.post(f"{API}/releases", json=body), 201))["id"])

    async def lines(self, release: str) -> list[tuple[str, int, Decimal, int]]:
        names = {str(part): name for name, part in self.parts.items()}
        got = await ok(self.planner.get(f"{API}/releases/{release}"))
        return sorted(
            (names[x["part_id"]], x["available"], Decimal(x["unit_price"]), x["minimum_to_keep"])
            for x in got["line_items"]
        )


@pytest.fixture
async def shop(world: World) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        token = await token_for(world.owner, world.maker.users["admin"], world.maker.id)
        admin = await stack.enter_async_context(client_for(app_for(world.db), token))
        parts: dict[str, UUID] = {}
        job_id = await world.owner.fetchval(
            "INSERT INTO import_job (company_id, kind, file_name, file_sha256, file_size, file_path, snapshot_on, mode, mapping, step, created_by) "
            "VALUES ($1, 'stock', 's.csv', $2, 1, 's', current_date, 'good_rows', '{}', 'done', $1) RETURNING id", world.maker.id, world.tag.encode(),
        )  # fmt: skip
        for name, quantity, price, usage, issued in (
            ("asleep", 10, "1000", 0, None), ("slow", 40, "100", 12, "2026-01-01"), ("fast", 12, "50", 120, "2026-11-01"), ("cheap", 6, "1", 0, "2020-01-01"),
        ):  # fmt: skip
            parts[name] = await world.make_part(f"{world.tag}-{name.upper()}", list_price=price)
            lot = await world.register(world.maker, quantity, part=parts[name])
            await world.owner.execute(
                "INSERT INTO stock_line (company_id, site_id, part_id, line_key, lot_id, condition, quantity, unit_cost, currency, last_issue_on, "
                "usage_12, snapshot_on, job_id) VALUES ($1, $2, $3, $4, $5, 'new', $6, 10, 'USD', $7::text::date, $8, current_date, $9)",
                world.maker.id, world.maker.site, parts[name], name, lot, quantity, issued, usage, job_id,
            )  # fmt: skip
        yield Shop(world, job, admin, parts)


async def test_rules_describe_stock_the_most_money_first(shop: Shop) -> None:
    assert await shop.found() == ["asleep", "slow", "fast", "cheap"]
    assert await shop.found(idle_months=24) == ["asleep", "cheap"]
    assert await shop.found(least_months=36) == ["asleep", "slow", "cheap"]
    assert await shop.found(least_months=41) == ["asleep", "cheap"]
    assert await shop.found(least_value=600) == ["asleep", "slow", "fast"]
    assert await shop.found(older_months=1) == []
    assert await shop.found(condition="used_tested") == []
    assert await shop.found(number=f"{shop.world.tag} as") == ["asleep"]
    await refused(shop.planner.get(f"{API}/candidates", params={"idle_months": 0}), "request.invalid")
    counts = []
    for limit in (1, 4):
        with counted(shop.world.db) as sent:
            await ok(shop.planner.get(f"{API}/candidates", params={"limit": limit}))
        counts.append(len(sent))
    assert counts[0] == counts[1]
    await refused(shop.job.buyer.get(f"{API}/candidates"), "actor.role")


async def test_what_rules_describe_is_taken_into_a_draft_and_changed_by_one_rule(shop: Shop) -> None:
    release = await shop.draft()
    take = f"{API}/releases/{release}/candidates"
    assert await ok(shop.planner.post(take, json={"rules": {"idle_months": 24}, "percent": "55"})) == {"added": 2}
    assert [x[:3] for x in await shop.lines(release)] == [("asleep", 10, Decimal(550)), ("cheap", 6, Decimal("0.55"))]
    # Again: what is in it stays, and is no candidate any more.
    assert await shop.found() == ["slow", "fast"]
    key = (await ok(shop.planner.get(f"{API}/candidates", params={"limit": 1})))["items"][0]["key"]
    assert await ok(shop.planner.post(take, json={"keys": [key]})) == {"added": 1}
    before = await shop.lines(release)
    for body, code in (
        ({"keys": [key]}, "candidate.gone"), ({"keys": []}, "candidate.none"), ({"percent": "1001"}, "formula.percent"),
    ):  # fmt: skip
        await refused(shop.planner.post(take, json=body), code)
    for body, code in (
        ({}, "formula.empty"), ({"keep": "101"}, "formula.percent"), ({"percent": "50", "listing_ids": [str(shop.world.part)]}, "listing.not_found"),
    ):  # fmt: skip
        await refused(shop.planner.post(f"{API}/releases/{release}/formula", json=body), code)
    assert await shop.lines(release) == before
    with counted(shop.world.db) as sent:
        done = await ok(
            shop.planner.post(
                f"{API}/releases/{release}/formula", json={"percent": "50", "step": "1", "share": "50", "keep": "20"}
            )
        )
    assert done == {"changed": 3, "without_base": 0}
    assert await shop.lines(release) == [
        ("asleep", 5, Decimal(500), 1),
        ("cheap", 3, Decimal(1), 1),
        ("slow", 20, Decimal(50), 4),
    ]
    assert len(sent) < 40, "as many however many lines there are"


async def test_a_protected_part_is_never_released(shop: Shop) -> None:
    asleep, slow = str(shop.parts["asleep"]), str(shop.parts["slow"])
    release = await shop.draft()
    await ok(
        shop.planner.post(f"{API}/releases/{release}/candidates", json={"rules": {"number": f"{shop.world.tag}asleep"}})
    )
    protect = f"{API}/protected-parts"
    await refused(shop.planner.post(protect, json={"part_ids": [asleep], "reason": " "}), "protection.reason")
    await refused(shop.job.buyer.post(protect, json={"part_ids": [asleep], "reason": "x"}), "actor.role")
    assert await ok(
        shop.planner.post(protect, json={"part_ids": [asleep, slow], "reason": "Tooling is gone."}), 201
    ) == {"added": 2}
    assert await ok(shop.planner.post(protect, json={"part_ids": [asleep], "reason": "Again."}), 201) == {"added": 0}
    assert await shop.found() == ["fast", "cheap"]
    await refused(shop.planner.post(f"{API}/releases/{release}/publish"), "release.protected")
    other = await shop.draft()
    line = {
        "part_id": slow,
        "site_id": str(shop.world.maker.site),
        "condition": "new",
        "quantity": 1,
        "unit_price": "1",
    }
    answer = await shop.planner.put(f"{API}/releases/{other}/lines", json={"lines": [line]})
    assert [e["code"] for e in answer.json()["errors"]] == ["release.protected"]
    kept = {p["part_id"]: p["id"] for p in (await ok(shop.planner.get(protect)))["items"]}
    await ok(shop.planner.post(f"{protect}/{kept[asleep]}/end"))
    await refused(shop.planner.post(f"{protect}/{kept[asleep]}/end"), "protection.not_found")
    await refused(shop.job.outsider.post(f"{protect}/{kept[slow]}/end"), "actor.role")
    await ok(shop.planner.post(f"{API}/releases/{release}/publish"))
    await refused(shop.planner.post(protect, json={"part_ids": [asleep], "reason": "Too late."}), "protection.on_offer")


async def test_above_the_limit_another_person_approves_just_this(shop: Shop) -> None:
    await refused(shop.planner.put(f"{API}/release-limit", json={"amount": "5000"}), "actor.role")
    await refused(shop.admin.put(f"{API}/release-limit", json={"amount": "-1"}), "limit.amount")
    await ok(shop.admin.put(f"{API}/release-limit", json={"amount": "5000"}))
    release = await shop.draft()
    asked, answer, publish = (f"{API}/releases/{release}/{way}" for way in ("approvals", "approvals/answer", "publish"))
    await ok(
        shop.planner.post(
            f"{API}/releases/{release}/candidates",
            json={"rules": {"number": f"{shop.world.tag}asleep"}, "percent": "50"},
        )
    )
    await refused(shop.planner.post(asked), "approval.not_needed")
    await ok(shop.planner.post(f"{API}/releases/{release}/formula", json={"percent": "60"}))
    await refused(shop.planner.post(publish), "approval.needed")
    await refused(shop.admin.post(answer, json={"approved": True}), "approval.none")
    first, second = await asyncio.gather(shop.planner.post(asked), shop.planner.post(asked))
    assert sorted([first.status_code, second.status_code]) == [201, 409], "asked once"
    await refused(shop.planner.post(answer, json={"approved": True}), "approval.own")
    await refused(shop.admin.post(answer, json={"approved": False}), "approval.reason")
    await ok(shop.admin.post(answer, json={"approved": False, "reason": "Keep one."}))
    await refused(shop.planner.post(publish), "approval.needed")
    await ok(shop.planner.post(asked), 201)
    await ok(shop.planner.post(f"{API}/releases/{release}/formula", json={"percent": "70"}))
    await refused(shop.admin.post(answer, json={"approved": True}), "approval.changed")
    # What it waits for is not there any more; it is asked anew.
    await ok(shop.planner.post(asked), 201)
    await ok(shop.admin.post(answer, json={"approved": True}))
    await ok(shop.planner.post(f"{API}/releases/{release}/formula", json={"percent": "80"}))
    await refused(shop.planner.post(publish), "approval.needed")
    await ok(shop.planner.post(f"{API}/releases/{release}/formula", json={"percent": "70"}))
    await ok(shop.planner.post(publish))
    await refused(shop.planner.get(f"{API}/releases/{uuid4()}/approvals"), "release.not_found")
    told = await ok(shop.planner.get(asked))
    assert [(a["approved"], a["reason"]) for a in told] == [(True, ""), (None, None), (False, "Keep one.")]
    mails = await shop.world.owner.fetch(
        "SELECT payload -> 'mail' -> 'to' AS to FROM outbox_event WHERE name LIKE 'release.approval%' AND aggregate_id = $1::text::uuid ORDER BY id", release,
    )  # fmt: skip
    planner = f"planner@{shop.world.maker.code}.example".lower()
    assert [planner in m["to"] for m in mails] == [False, True, False, False, True], (
        "the others are asked, and who asked is told"
    )


async def test_without_another_person_nothing_waits_in_vain(shop: Shop, owner: asyncpg.Connection) -> None:
    await ok(shop.admin.put(f"{API}/release-limit", json={"amount": "1"}))
    await owner.execute(
        "UPDATE user_account SET active = false WHERE company_id = $1 AND 'admin' = ANY (roles)", shop.world.maker.id
    )
    release = await shop.draft()
    await ok(
        shop.planner.post(f"{API}/releases/{release}/candidates", json={"rules": {"number": f"{shop.world.tag}asleep"}})
    )
    await refused(shop.planner.post(f"{API}/releases/{release}/approvals"), "approval.nobody")
    assert await owner.fetchval("SELECT count(*) FROM release_approval WHERE company_id = $1", shop.world.maker.id) == 0

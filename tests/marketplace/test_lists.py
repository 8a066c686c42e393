"""Every list there is, taken from the published description: what it does not know it refuses and says what it knows,
it is read in as many statements for many rows as for one, and its pages are bounded."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from marketplace.advising.reckoning import FIELDS, kept_policy
from marketplace.agreements.library import read_released
from marketplace.agreements.terms import TERMS_TYPES, ClauseName
from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.kit.pages import MAX_PAGE, sign_bookmark
from marketplace.planning.advice import Policy
from marketplace.settings import Settings
from marketplace.watching.reckoning import FIELDS as WATCH_FIELDS
from tests.agreed import CONTRACTS
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok
from tests.world import World, make_company

SPEC: dict[str, Any] = create_app(Settings()).openapi()
FREE_TEXT = {"number", "reference", "class_code", "country", "search", "series"}
"""Filters that may be anything; every other one says what it takes."""


def answer_of(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation["responses"]["200"].get("content", {})
    return dict(content.get("application/json", {}).get("schema", {}))


def is_paged(operation: dict[str, Any]) -> bool:
    return "PageOut" in answer_of(operation).get("$ref", "")


LISTS = sorted(
    (path, operation["get"])
    for path, operation in SPEC["paths"].items()
    if "get" in operation
    and (is_paged(operation["get"]) or answer_of(operation["get"]).get("type") == "array" or path.endswith(".csv"))
)
PAGED = [path for path, operation in LISTS if is_paged(operation)]


def junk() -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    """(path, parameter, value that it cannot have, code, words that tell what it can have)."""
    found = []
    for path, operation in LISTS:
        found.append((path, "statuss", "open", "unknown_field", tuple(names(operation))))
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "query" or parameter["name"] in {"after", "limit", *FREE_TEXT}:
                continue
            schema = parameter["schema"]
            schema = next((s for s in schema.get("anyOf", [schema]) if s.get("type") != "null"), schema)
            if "$ref" in schema:
                schema = SPEC["components"]["schemas"][schema["$ref"].split("/")[-1]]
            name = parameter["name"]
            value, code, words = "banana", "", ()
            if "enum" in schema:
                code, words = "not_one_of", tuple(schema["enum"])
            elif "const" in schema:
                code, words = "not_one_of", (schema["const"],)
            elif schema.get("format") == "uuid":
                code = "not_an_id"
            elif schema.get("format") in {"date", "date-time"}:
                value, code = "2026-99-99", {"date": "not_a_date", "date-time": "not_a_time"}[schema["format"]]
            elif schema.get("type") == "boolean":
                code = "not_yes_or_no"
            elif schema.get("type") in {"integer", "number"}:
                code = "not_a_number"
            assert code, f"{path}: {name} is free text; say what it can be"
            found.append((path, name, value, code, words))
        if is_paged(operation):
            found.append((path, "limit", "0", "too_small", ("1",)))
            found.append((path, "limit", "100000", "too_big", (str(MAX_PAGE),)))
            found.append((path, "limit", "many", "not_a_number", ()))
    return found


def names(operation: dict[str, Any]) -> list[str]:
    return sorted(p["name"] for p in operation.get("parameters", []) if p["in"] == "query")


@pytest.fixture(scope="module")
async def app(db: Database) -> FastAPI:
    return app_for(db)


@pytest.fixture(scope="module")
async def people(db: Database, owner: asyncpg.Connection) -> list[str]:
    """Session tokens of people who together may read every list."""
    world = await World.make(owner, db)
    wanted = ((world.maker, "planner"), (world.maker, "admin"), (world.buyer, "buyer"), (world.buyer, "warehouse"))
    return [await token_for(owner, party.users[role], party.id) for party, role in wanted]


async def asked(app: FastAPI, people: list[str], path: str, **query: str) -> httpx.Response:
    """The answer to the first of these people who may use the route."""
    for token in people:
        async with client_for(app, token) as client:
            address = re.sub(r"{[^}]+}", str(uuid4()), path.replace("{month}", "2026-01"))
            answer = await client.get(address, params=query)
        if answer.status_code != 403:
            return answer
    raise AssertionError(f"nobody may read {path}")


def test_clauses_to_filter_by_are_those_there_are() -> None:
    released = read_released((CONTRACTS / "released.toml").read_bytes())
    assert set(get_args(ClauseName)) == {clause for clause, _ in TERMS_TYPES} >= {clause for clause, _ in released}
    assert len(PAGED) >= 10


@pytest.mark.parametrize(
    ("path", "name", "value", "code", "words"), junk(), ids=lambda v: v if isinstance(v, str) else ""
)
async def test_junk_is_refused_with_what_is_allowed(
    app: FastAPI, people: list[str], path: str, name: str, value: str, code: str, words: tuple[str, ...]
) -> None:
    answer = await asked(app, people, path, **{name: value})
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body["code"] == "request.invalid"
    assert [(e["field"], e["code"]) for e in body["errors"]] == [(name, code)]
    for word in words:
        assert word in body["errors"][0]["message"], body
    assert name in body["detail"]


@pytest.mark.parametrize("path", PAGED)
async def test_a_bookmark_of_nowhere_or_of_another_list_is_refused(app: FastAPI, people: list[str], path: str) -> None:
    secret = app.state.settings.signing_key
    for bookmark in ("junk", "a" * 200, sign_bookmark(["of", "quite", "another", "list"], secret), "\u00e9"):
        answer = await asked(app, people, path, after=bookmark)
        # A list inside something that is not there may say that first.
        assert (answer.status_code, answer.json()["code"]) in {(422, "page.bookmark"), (404, "import.not_found")}, path


def test_an_export_takes_the_filters_of_its_list() -> None:
    for path, operation in LISTS:
        if path.endswith(".csv") and "{" not in path:
            of = path.removesuffix("/export.csv").removesuffix(".csv")
            listed = next(o for p, o in LISTS if p == of)
            assert names(operation) == [n for n in names(listed) if n not in {"after", "limit"}], path


async def round_of_everything(job: Job, turn: int) -> None:
    """One more row in (nearly) every list."""
    world = job.world
    world.part = await world.make_part(f"{world.tag}-ROUND-{turn}")
    await job.sold(4)
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    resale = {
        "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
        "buyer_id": str(world.other.id), "quantity": 1,
    }  # fmt: skip
    await ok(job.buyer.post(f"{API}/resales", json=resale), 201)
    await job.called(1)
    await job.came_back(1)
    line = (await ok(job.planner.get(f"{API}/settlement", params={"limit": 1})))["items"][0]["id"]
    odd = {"amount": "5", "reason": "damaged", "words": "The housing is cracked."}
    made = await ok(job.planner.post(f"{API}/settlement/{line}/dispute", json=odd), 201)
    await ok(job.planner.post(f"{API}/settlement/disputes/{made['id']}/withdraw"))
    await ok(job.planner.post(f"{API}/settlement/{line}/mark"))
    other = {"company_id": str(world.other.id)}
    estate = {**other, "reason": "Petition filed.", "source": "A letter", "opened_on": "2026-11-01"}
    record = (await ok(job.planner.post(f"{API}/insolvencies", json=estate), 201))["id"]
    await ok(job.planner.post(f"{API}/insolvencies/{record}/lift", json={"reason": "Dismissed."}))
    interest = {**other, "kind": "ucc1", "number": f"26-{turn}", "filed_on": "2026-11-01", "expires_on": "2031-11-01"}
    await ok(job.planner.post(f"{API}/security-interests", json=interest), 201)
    await job.called(1)
    asked = (await ok(job.planner.post(f"{API}/sourcing/requests", json=job.need(1)), 201))["id"]
    await ok(job.planner.post(f"{API}/sourcing/plans", json={"requests": [asked]}), 201)
    await world.owner.execute(
        'INSERT INTO currency_rate (company_id, currency, "into", day, rate, source, recorded_by, recorded_at) '
        "VALUES ($1, $2, 'USD', current_date, 1, 'Treasury', $1, now())", world.maker.id, f"AA{chr(65 + turn % 26)}",
    )  # fmt: skip
    await ok(
        job.buyer.post(f"{API}/searches", json={"name": f"Search {turn}", "kind": "offers", "numbers": "PUMP"}), 201
    )
    kept = {"part_ids": [str(await world.make_part(f"{world.tag}-KEPT-{turn}"))], "reason": "Tooling is gone."}
    await ok(job.planner.post(f"{API}/protected-parts", json=kept), 201)
    certificate = {
        "data": {"on": "call", "on_id": job.call, "kind": "certificate"},
        "files": {"file": ("8130-3.pdf", b"%PDF-1.7")},
    }
    for side in (job.planner, job.buyer):
        await ok(side.post(f"{API}/documents", **certificate), 201)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf", "note": ""}))
    scrap = {"part_id": str(world.part), "act": "scrap", "quantity": 1}
    await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=scrap), 201)
    await audiences(job, turn)
    await missed(job)


async def audiences(job: Job, turn: int) -> None:
    """One more group, block, clearance, controlled part, price and window."""
    at, partner = f"{API}/audiences", {"partner_id": str(job.world.other.id)}
    named = {"name": f"Group {turn}", "partner_ids": [str(job.world.other.id)]}
    group = (await ok(job.planner.post(f"{at}/groups", json=named), 201))["id"]
    late = (await make_company(job.world.owner, f"L{turn}{job.world.tag}", manufacturer=False)).id
    await ok(job.planner.post(f"{at}/blocks", json={"partner_id": str(late), "reason": "Late."}), 201)
    paper = {**partner, "reference": "D1", "valid_until": "2031-12-31"}
    await ok(job.planner.post(f"{at}/clearances", json=paper), 201)
    part = {"part_id": str(job.world.part), "classification": "9A610.x"}
    await ok(job.planner.post(f"{at}/controlled-parts", json=part), 201)
    await ok(job.planner.post(f"{at}/prices", json={"group_id": group, "off_bp": 100}), 201)


async def missed(job: Job) -> None:
    """A shortage and what became of its units, as rows: counts find none under the first library."""
    sides = (UUID(job.agreement), job.world.part, job.world.maker.id, job.world.buyer.id, job.world.buyer.site)
    await job.world.owner.execute(
        "INSERT INTO shortage (agreement_id, part_id, maker_id, holder_id, site_id, recorded, missing, tolerated, below_minimum, "
        "at_stake, currency, words, opened_at, counted_at, explain_by, conclude_from, counted_by) "
        "VALUES ($1, $2, $3, $4, $5, 4, 1, 0, 0, 0, 'USD', 'One is missing.', now(), now(), now(), now(), $3)",
        *sides,
    )
    await job.world.owner.execute(
        "INSERT INTO missing_units (agreement_id, part_id, maker_id, holder_id, site_id, became, quantity, without_leave, "
        "below_minimum, amount, currency, due_on, words, happened_at, command_id, company_id, actor_id, at) "
        "VALUES ($1, $2, $3, $4, $5, 'lost', 1, 0, 0, 0, 'USD', current_date, 'Nothing.', now(), $3, $4, $4, now())",
        *sides,
    )


async def test_many_rows_take_as_many_statements_as_one(owner: asyncpg.Connection, db: Database) -> None:
    async with AsyncExitStack() as stack:
        world = await World.make(owner, db)
        job = await Job.begin(world, stack)
        admin = await stack.enter_async_context(
            client_for(app_for(db), await token_for(owner, world.maker.users["admin"], world.maker.id))
        )
        warehouse = await stack.enter_async_context(
            client_for(app_for(db), await token_for(owner, world.buyer.users["warehouse"], world.buyer.id))
        )
        clients = (job.planner, job.buyer, job.technician, admin, warehouse)

        async def uploaded(turn: int) -> str:
            file = f"number,quantity,site\n{world.tag}-{turn},minus one,S1\n"
            upload = {"file": ("stock.csv", file.encode(), "text/csv")}
            return str((await ok(job.planner.post(f"{API}/imports", files=upload), 201))["id"])

        async def replaced() -> None:
            """One more unit sent for those that were drawn."""
            body = {"quantity": 1, "site_id": str(world.maker.site), "condition": "new", "own_transport": True}
            await ok(job.planner.post(f"{API}/sourcing/calls/{draw}/replacements", json=body))
            # And an order of its request that came to nothing.
            await world.owner.execute(
                "INSERT INTO cascade (requisition_id, call_id, company_id, maker_id, cause, lacking, subject, at) SELECT requisition_id, id, "
                "company_id, maker_id, 'refused', 1, 'It was refused.', now() FROM call WHERE id = $1::text::uuid", draw,
            )  # fmt: skip

        async def proposed() -> None:
            """One more proposal about an agreement, in the place of the one before."""
            end = {"ends": True, "note": "We close the site."}
            await ok(job.planner.post(f"{API}/agreements/{bound}/proposals", json=end), 201)

        async def taken_out() -> None:
            """One more unit taken out, as under terms that keep title."""
            await world.owner.execute(
                "INSERT INTO taking_out (agreement_id, part_id, maker_id, holder_id, quantity, unit_price, why, on_payment, "
                "taken_at, due_on, company_id, actor_id, at) SELECT a.id, l.part_id, a.maker_id, a.holder_id, 1, 80, 'use', "
                "false, now(), current_date, a.holder_id, $2, now() FROM agreement a JOIN agreement_line l "
                "ON l.agreement_id = a.id WHERE a.id = $1::text::uuid", bound, world.buyer.actor,
            )  # fmt: skip

        await job.sold(6, preset="wide-access")
        bound = job.agreement
        # One more than is replaced below, so that a replacement is due at the end as at the beginning.
        await job.called(5)
        await job.came_back(5)
        draw, drawn_for = job.call, job.requisition
        # Kept in stock, so that it is they that are sent and nothing that is on offer.
        await ok(job.technician.post(f"{API}/sourcing/requests/{job.requisition}/finish", json={"outcome": "received"}))
        imported = await uploaded(1)
        # What becomes of the rows is listed once they are checked.
        await ok(job.planner.post(f"{API}/imports/{imported}/validate"))

        safe = await world.make_part(f"{world.tag}-SAFE")
        orders = {
            "part_id": str(safe), "kind": "recall", "reason": "Seam.", "instruction": "Set aside.",
            "answer_by": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
        }  # fmt: skip
        recall = (await ok(job.planner.post(f"{API}/recalls", json=orders), 201))["id"]
        counts = f"{API}/holdings/sheets"
        sheet = (await ok(job.buyer.post(counts, json={"site_id": str(world.buyer.site)}), 201))["id"]

        async def stopped_and_counted(turn: int) -> None:
            """One more recall, one more unit and company under the first one, and one more part counted."""
            empty = {**orders, "part_id": str(await world.make_part(f"{world.tag}-EMPTY-{turn}"))}
            await ok(job.planner.post(f"{API}/recalls", json=empty), 201)
            await world.register(world.maker, part=safe)
            await world.register(await make_company(owner, f"X{turn}{world.tag}", manufacturer=False), part=safe)
            await ok(job.buyer.post(counts, json={"site_id": str(world.buyer.site)}), 201)
            number = await owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
            await ok(job.buyer.post(f"{counts}/{sheet}/entries", json={"items": f"{number}, 4"}), 201)

        async def written(turn: int) -> None:
            """One more message on the order that was drawn."""
            await ok(job.planner.post(f"{API}/sourcing/calls/{draw}/messages", json={"text": f"Message {turn}."}), 201)

        async def negotiated(turn: int) -> str:
            """One more request for a quote, one more message on the first one and on the order; answers its id."""
            body = {"part_id": str(world.part), "quantity": 1, "ship_to_site_id": str(world.buyer.site)}
            made = str((await ok(job.buyer.post(f"{API}/quotes", json=body), 201))["id"])
            first = quote if turn else made
            for path in (f"{API}/quotes/{first}/messages", f"{API}/orders/{order}/messages"):
                await ok(job.buyer.post(path, json={"text": f"Message {turn}."}), 201)
            return made

        async def invited(turn: int) -> None:
            """One more person invited, one more session, and one more act of security of the administrator's own."""
            who = {"email": f"i{turn}.{world.tag}@example.com", "roles": ["buyer"]}
            await ok(admin.post(f"{API}/invitations", json=who), 201)
            await ok(admin.post(f"{API}/account/address", json={"email": who["email"]}))
            await token_for(owner, world.maker.users["admin"], world.maker.id)

        async def advised(turn: int) -> tuple[str, str]:
            """One more file of demand and one more run; answers their ids."""
            maker = world.maker.id
            file = await owner.fetchval(
                "INSERT INTO demand_import (company_id, file_name, file_sha256, file_size, file_path, step, first_month, months, created_by) "
                "VALUES ($1, 'demand.csv', '', 1, '', 'done', '2025-01-01', 1, $1) RETURNING id", maker,
            )  # fmt: skip
            run = await owner.fetchval(
                "INSERT INTO advice_run (company_id, policy, currency, state, created_by) VALUES ($1, $2::jsonb, 'USD', 'done', $1) RETURNING id",
                maker, json.dumps(kept_policy(Policy())),
            )  # fmt: skip
            first = (str(file), str(run)) if turn == 0 else advice
            await owner.execute(
                "INSERT INTO demand_issue (import_id, no, company_id, row_no, part_number, message) VALUES ($1::text::uuid, $2, $3, 1, 'X', 'Odd.')",
                first[0], turn + 1, maker,
            )  # fmt: skip
            figures = [name for name, _ in FIELDS if name not in ("run_id", "part_id")]
            zeros = ", ".join(
                "false" if n in ("advised", "exact", "steady") else "-1" if n == "preset" else "0" for n in figures
            )
            await owner.execute(
                f"INSERT INTO advice_row (run_id, part_id, company_id, differs, {', '.join(figures)}) VALUES ($1::text::uuid, $2, $3, true, {zeros})",
                first[1], await world.make_part(f"{world.tag}-ADVISED-{turn}"), maker,
            )  # fmt: skip
            return first

        async def watched(turn: int) -> str:
            """One more run of the watch, and a row more of the first; answers that one's id."""
            maker = world.maker.id
            run = await owner.fetchval(
                "INSERT INTO watch_run (company_id, currency, state, created_at) VALUES ($1, 'USD', 'done', now()) RETURNING id", maker
            )  # fmt: skip
            first = str(run) if turn == 0 else watch
            figures = [name for name, _ in WATCH_FIELDS if name not in ("run_id", "part_id")]
            await owner.execute(
                f"INSERT INTO watch_row (run_id, part_id, company_id, {', '.join(figures)}) VALUES ($1::text::uuid, $2, $3, {', '.join('1' for _ in figures)})",
                first, await world.make_part(f"{world.tag}-WATCHED-{turn}"), maker,
            )  # fmt: skip
            holder = await make_company(owner, f"WH{turn}{world.tag}", manufacturer=False)
            await owner.execute(
                "INSERT INTO watch_holder (run_id, holder_id, company_id, units, used, unit_years, assumed, learnt, low, high, fast) "
                "VALUES ($1::text::uuid, $2, $3, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, false)", first, holder.id, maker,
            )  # fmt: skip
            return first

        watch = await watched(0)
        advice = await advised(0)
        order = job.order
        quote = await negotiated(0)

        async def read() -> tuple[dict[str, int], dict[str, int]]:
            """(list as seen by so-and-so -> statements, -> rows)."""
            statements: dict[str, int] = {}
            rows: dict[str, int] = {}
            mine = "SELECT id FROM release WHERE company_id = $1 ORDER BY id LIMIT 1"
            posting = str(await owner.fetchval(mine, world.maker.id))
            for path, operation in LISTS:
                url = (
                    path.replace("{site_id}", str(world.maker.site))
                    .replace("{job_id}", imported)
                    .replace("{import_id}", advice[0])
                    .replace("{run_id}", watch if "/watch/" in path else advice[1])
                    .replace("{call_id}", draw)
                    .replace("{requisition_id}", drawn_for)
                    .replace("{agreement_id}", bound)
                    .replace("{other_id}", str(world.buyer.id))
                    .replace("{recall_id}", recall)
                    .replace("{sheet_id}", sheet)
                    .replace("{release_id}", posting)
                    .replace("{order_id}", order)
                    .replace("{quote_id}", quote)
                    .replace("{partner_id}", str(world.buyer.id))
                    .replace("{month}", f"{datetime.now(UTC):%Y-%m}")
                )
                if path == f"{API}/imports/{{job_id}}/changes":
                    continue  # of other files than stock: test_catalogue_files, and the pages of import kinds
                if path == f"{API}/listings":  # what other tests of this database offer to everybody fills the page
                    url += f"?seller_id={world.maker.id}"
                if path == f"{API}/sourcing/records":
                    url += "?number=po-1"
                for n, client in enumerate(clients):
                    # What is kept in memory for good (signed terms) is read by the first request.
                    first = await client.get(url)
                    if first.status_code == 403 or (first.status_code == 404 and "{" in path):
                        continue
                    assert first.status_code == 200, f"{url}: {first.text}"
                    with counted(db) as sent:
                        answer = await client.get(url)
                    key = f"{path} {n}"
                    statements[key] = len(sent)
                    if path.endswith(".csv"):
                        rows[key] = answer.text.count("\r\n") - 1
                    else:
                        body = answer.json()
                        rows[key] = len(body["items"] if is_paged(operation) else body)
                    if is_paged(operation):
                        assert any(re.search(r"\bLIMIT \$\d+", s) for s in sent), f"{path} is not bounded"
                    assert not any(re.search(r"\bOFFSET\s+[$1-9]", s) for s in sent), f"{path} skips rows by counting"
            return statements, rows

        await replaced()
        await proposed()
        await taken_out()
        await round_of_everything(job, 1)
        await stopped_and_counted(1)
        await written(1)
        await invited(1)
        one, few = await read()
        for turn in (2, 3, 4):
            await replaced()
            await proposed()
            await taken_out()
            await round_of_everything(job, turn)
            await stopped_and_counted(turn)
            await written(turn)
            await negotiated(turn)
            await invited(turn)
            await advised(turn)
            await watched(turn)
            await uploaded(turn)
        many, more = await read()
        assert many == one
        grown = {key.split()[0] for key, count in more.items() if count >= few[key] + 3}
        missing = {path for path, _ in LISTS} - grown
        assert missing <= {
            # What they hold does not come of trading.
            f"{API}/api-keys", f"{API}/delegations", f"{API}/clauses", f"{API}/companies", f"{API}/sites", f"{API}/sites/{{site_id}}/contacts", f"{API}/users",
            f"{API}/imports/{{job_id}}/issues", f"{API}/imports/{{job_id}}/issues.csv",
            f"{API}/imports/{{job_id}}/proposals", f"{API}/imports/{{job_id}}/rows", f"{API}/imports/{{job_id}}/changes", f"{API}/imports/{{job_id}}/kept", f"{API}/settlement/totals", f"{API}/holdings/totals", f"{API}/agreements/{{agreement_id}}/values", f"{API}/indexes", f"{API}/indexes/values", f"{API}/sourcing/sell-back/{{agreement_id}}",
            f"{API}/holdings/count-tolerances", f"{API}/releases/{{release_id}}/audience",
            # Of one posting and one partner, in one statement.
            f"{API}/releases/{{release_id}}/seen-by/{{partner_id}}",
            # At most twenty, read in one statement.
            f"{API}/releases/{{release_id}}/approvals",
            # A row for each urgency.
            f"{API}/sourcing/cascade",
            # A row for each company.
            f"{API}/settlement/statements",
            f"{API}/sourcing/calls/{{call_id}}/equal-stock",
            # Written by the worker from what happens; counted in test_notifications.py.
            f"{API}/notifications",
            # The log is signed by the worker, and watched by companies.
            f"{API}/ledger/checkpoints", f"{API}/ledger/witnesses",
        }, missing  # fmt: skip

"""The demo in a real database: loaded whole or not at all, once, with a ledger in which every check holds."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from marketplace.agreements import queries as agreements
from marketplace.agreements.combinations import COMBINATIONS
from marketplace.agreements.outcomes import RefusalCode
from marketplace.agreements.paper import ScheduleLine, write_paper
from marketplace.agreements.queries import retained
from marketplace.agreements.reach import split
from marketplace.agreements.terms import parse_terms
from marketplace.db.embedded import APP, OWNER, WORKER, Credentials
from marketplace.db.session import Database, Tenant, fetch, fetch_value
from marketplace.demo import recent, watched
from marketplace.demo.cast import MANUFACTURER
from marketplace.demo.loader import SEED, DemoLogins, Progress, load_demo
from marketplace.demo.recent import is_lived, live_recent
from marketplace.holdings.queries import sheets
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from marketplace.ledger.queries import CHECKS, verify
from marketplace.obligations import queries as obligations
from marketplace.obligations.kinds import ObligationKind
from marketplace.obligations.queries import ObligationFilter
from marketplace.parties.actor import Actor
from marketplace.parties.queries import actor_by_email, actor_of_session
from marketplace.parties.service import sign_in, token_hash
from marketplace.sourcing import queries as sourcing_queries
from marketplace.sourcing import service as sourcing
from marketplace.sourcing.candidates import StockRow, standing
from marketplace.sourcing.freight import Point, distance_km, rough
from marketplace.sourcing.queries.availability import locate, nearest_stock, stock
from marketplace.watching import service as watching
from marketplace.watching import tasks as watching_tasks
from marketplace.watching.reckoning import Found
from tests.conftest import clone
from web.waiting import tasks

START = datetime(2026, 11, 22, 9, tzinfo=UTC)


def silent(words: str, done: int, total: int) -> None:
    """A progress bar that nobody looks at."""


def unplugged_in(stage: str, at: int) -> Progress:
    """A progress bar at which somebody pulls the plug."""

    def pull(words: str, done: int, total: int) -> None:
        if words == stage and done >= at:
            raise KeyboardInterrupt

    return pull


async def newest(owner_dsn: str) -> int:
    """How many agreements there are under the second library."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM agreement WHERE version = 2 OR clause IN ('title-kept', 'first-refusal')"
            )
        )
    finally:
        await connection.close()


class Loaded:
    """The demo's database by role."""

    def __init__(self, cluster: Credentials, name: str, logins: DemoLogins, seen: list[tuple[str, int, int]]) -> None:
        self.name = name
        self.owner_dsn = cluster.dsn(OWNER, name)
        self.app = Database(cluster.dsn(APP, name), pool_size=2)
        self.worker = Database(cluster.dsn(WORKER, name), pool_size=1, statement_timeout_ms=60_000)
        self.logins = logins
        self.progress = seen
        self.left_by_interruption: tuple[bool, int] = (True, -1)


@pytest.fixture(scope="module")
async def demo(cluster: Credentials, worker_id: str) -> AsyncIterator[Loaded]:
    name = f"demo_{worker_id}"
    await clone(cluster, name)
    seen: list[tuple[str, int, int]] = []
    logins = await load_demo(cluster.dsn(OWNER, name), start=START, progress=lambda *step: seen.append(step))
    loaded = Loaded(cluster, name, logins, seen)
    with pytest.raises(KeyboardInterrupt):
        await live_recent(loaded.app, loaded.worker, START, SEED, unplugged_in("newest agreements", 6))
    loaded.left_by_interruption = await is_lived(loaded.owner_dsn, SEED), await newest(loaded.owner_dsn)
    await live_recent(loaded.app, loaded.worker, START, SEED, silent)
    yield loaded
    await loaded.app.close()
    await loaded.worker.close()


@pytest.fixture(scope="module")
async def rows(demo: Loaded) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(demo.owner_dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize("check", CHECKS)
async def test_the_ledger_adds_up(demo: Loaded, check: str) -> None:
    async with demo.worker.read() as session:
        assert await verify(session, check) == []


async def test_progress_only_moves_forward_and_ends_full(demo: Loaded) -> None:
    done = [step[1] for step in demo.progress]
    assert done == sorted(done)
    assert demo.progress[-1][1] == demo.progress[-1][2] > 800_000
    assert demo.logins.loaded


async def test_loading_again_changes_nothing(demo: Loaded, rows: asyncpg.Connection) -> None:
    before = await rows.fetchrow("SELECT (SELECT count(*) FROM movement), (SELECT max(recorded_at) FROM movement)")
    assert await is_lived(demo.owner_dsn, SEED)
    again = await load_demo(demo.owner_dsn, start=START.replace(year=2027), progress=silent)
    await live_recent(demo.app, demo.worker, START.replace(year=2027), SEED, silent)
    assert not again.loaded
    assert again.logins == demo.logins.logins
    assert before == await rows.fetchrow(
        "SELECT (SELECT count(*) FROM movement), (SELECT max(recorded_at) FROM movement)"
    )


async def test_a_load_that_fails_midway_leaves_nothing(cluster: Credentials, worker_id: str) -> None:
    name = f"halfdemo_{worker_id}"
    await clone(cluster, name)

    with pytest.raises(KeyboardInterrupt):
        await load_demo(cluster.dsn(OWNER, name), start=START, progress=unplugged_in("agreements", 0))
    connection = await asyncpg.connect(cluster.dsn(OWNER, name))
    try:
        for table in ("company", "part", "unit_of_measure", "clause_version"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
        await connection.execute(
            "INSERT INTO company (code, name, is_manufacturer, is_partner, currency, country) "
            "VALUES ('NORTHFIELD', 'Somebody else', true, false, 'USD', 'US')"
        )
        with pytest.raises(DomainError) as refused:
            await load_demo(cluster.dsn(OWNER, name), start=START, progress=silent)
        assert refused.value.code == "demo.occupied"
        assert await connection.fetchval("SELECT count(*) FROM company") == 1
    finally:
        await connection.close()


async def test_every_printed_login_signs_in(demo: Loaded) -> None:
    roles = {"planner", "buyer", "technician", "auditor", "warehouse", "delegate", "admin"}
    assert {login.role for login in demo.logins.logins} == roles
    for login in demo.logins.logins:
        token = await sign_in(demo.app, login.email, demo.logins.password, source="test", hours=1, now=START)
        assert token
        async with demo.worker.read() as session:
            row = (
                await fetch(
                    session,
                    "SELECT c.name, u.roles FROM user_account u JOIN company c ON c.id = u.company_id WHERE email = $1",
                    login.email,
                )
            )[0]
        assert row["name"] == login.company
        assert ("technician" if login.role == "delegate" else login.role) in row["roles"]


async def test_the_shown_partner_has_units_that_can_be_called(demo: Loaded, rows: asyncpg.Connection) -> None:
    company = await rows.fetchval("SELECT company_id FROM user_account WHERE email = $1", demo.logins.email("buyer"))
    assert await rows.fetchval("SELECT count(*) FROM position WHERE holder_id = $1 AND quantity > 0", company) > 1_000
    assert await rows.fetchval("SELECT count(*) FROM call WHERE holder_id = $1 AND status = 'noticed'", company) > 0
    assert not await rows.fetchval(
        "SELECT count(*) FROM agreement WHERE holder_id = $1 AND (legal_hold OR status = 'suspended')", company
    )


async def test_about_70_percent_can_be_called_and_every_reason_occurs(demo: Loaded, rows: asyncpg.Connection) -> None:
    maker = await rows.fetchval("SELECT id FROM company WHERE is_manufacturer")
    pairs = [tuple(r) for r in await rows.fetch("SELECT agreement_id, part_id FROM agreement_line")]
    async with demo.app.read(Tenant(maker)) as session:
        covered = await agreements.terms_and_facts(session, pairs)
    assert len(covered) == len(pairs)
    held = await rows.fetchval("SELECT sum(quantity) FROM position WHERE owner_id <> $1 AND holder_id <> $1", maker)
    callable_units = 0
    reasons: Counter[str] = Counter()
    for one in covered.values():
        found = split(one.terms, one.facts, START)
        callable_units += found.callable
        for name in ("not_covered", "held", "quality_held", "holder_reserve"):
            reasons[name] += getattr(found, name)
        if found.blocked_by:
            reasons[found.blocked_by] += found.blocked
    assert 0.65 <= callable_units / held <= 0.75
    for reason in (
        "not_covered", "held", "quality_held", "holder_reserve", RefusalCode.WINDOW_CLOSED,
        RefusalCode.WINDOW_NOT_OPEN, RefusalCode.LEGAL_HOLD, RefusalCode.SUSPENDED,
    ):  # fmt: skip
        assert reasons[reason] > 0, reason
    assert await rows.fetchval("SELECT count(*) FROM withdrawal WHERE resolved_at IS NULL") > 0
    assert await rows.fetchval(
        "SELECT count(*) FROM agreement_line l, delegation d WHERE l.sale_price > d.max_value_amount"
    ) > 0  # fmt: skip


async def test_a_search_reads_the_same_of_an_agreement_as_its_page(demo: Loaded, rows: asyncpg.Connection) -> None:
    """A search reckons what stands under a right from the places it has read; the page asks the database."""
    maker = await rows.fetchval("SELECT id FROM company WHERE is_manufacturer")
    parts = [r[0] for r in await rows.fetch("SELECT DISTINCT part_id FROM position WHERE beneficiary_id = $1", maker)]
    async with demo.app.read(Tenant(maker)) as session:
        places = await stock(session, parts, [maker], START)
        found = await agreements.rights(session, standing(places))
        asked = await agreements.terms_and_facts(session, list(found))
    assert len(found) > 20_000
    assert found.keys() == asked.keys()
    assert not [pair for pair, right in found.items() if right.facts != asked[pair].facts]
    # What is with a carrier is with nobody: it stands under no right until it has arrived.
    for name in ("held", "quality_held"):
        assert any(getattr(right.facts, name) for right in found.values()), name


def nearest(
    rows: Sequence[StockRow], destination: Point, most: int, mask: frozenset[UUID]
) -> tuple[set[StockRow], dict[UUID, int], set[UUID]]:
    """The model of ``nearest_stock``: what it takes of all places, by part how many it leaves out, and of which parts nothing that it
    took says that the others give nothing either."""
    kept = {row for row in rows if row.agreement_id is None}
    rights: dict[UUID, dict[UUID, list[StockRow]]] = {}
    for row in rows:
        if row.agreement_id is not None:
            rights.setdefault(row.part_id, {}).setdefault(row.agreement_id, []).append(row)

    def rank(members: list[StockRow]) -> tuple[bool, float, str]:
        free = [row for row in members if row.free and row.stands]
        points = [rough(row.point) if row.masked(mask) else row.point for row in free or members]
        way = [km for point in points if (km := distance_km(point, destination)) is not None]
        return not free, min(way, default=math.inf), str(members[0].agreement_id)

    left: dict[UUID, int] = {}
    may: set[UUID] = set()
    for part, by_right in rights.items():
        taken, shut = 0, False
        for members in sorted(by_right.values(), key=rank):
            if taken < most:
                kept.update(members)
                taken += len(members)
                shut |= rank(members)[0]
            else:
                left[part] = left.get(part, 0) + len(members)
        if part in left and not shut:
            may.add(part)
    return kept, left, may


async def test_what_cannot_be_called_is_weighed_no_further_than_it_is_told(
    demo: Loaded, rows: asyncpg.Connection
) -> None:
    """A plan names what it chose from among all places that can give units, and the nearest twenty of the others: the same as if it had
    weighed every place. And a search for many numbers finds something callable where there is anything."""
    maker = await rows.fetchval("SELECT id FROM company WHERE is_manufacturer")
    parts = [
        r[0]
        for r in await rows.fetch(
            "SELECT part_id FROM position WHERE beneficiary_id = $1 GROUP BY 1 HAVING count(*) > 40 ORDER BY 1 LIMIT 60",
            maker,
        )
    ]
    async with demo.app.read() as session:
        planner = await actor_by_email(session, f"planner@{MANUFACTURER[2]}")
    fewer = 0
    async with demo.app.read(Tenant(maker)) as session:
        for at in (Point(39.1, -94.6, "US"), Point(None, None, "US")):
            for told, most in ((None, None), (20, None), (None, 3)):
                located = await locate(
                    session, planner, parts, destination=at, urgency="urgent", now=START, with_related=False, explain=False,
                    told=told, most=most,
                )  # fmt: skip
                found = {p: [c._replace(shown=None) for c in located.candidates[p]] for p in parts}
                if told is None and most is None:
                    every = found
                    continue
                for p in parts:
                    if most is not None:
                        assert any(c.callable for c in found[p]) == any(c.callable for c in every[p])
                        continue
                    assert [c for c in found[p] if c.callable] == [c for c in every[p] if c.callable]
                    assert [c for c in found[p] if c.blocked][:20] == [c for c in every[p] if c.blocked][:20]
                    fewer += len(every[p]) - len(found[p])
    assert fewer > 100


async def test_a_search_for_many_numbers_reads_the_nearest_places_of_each(
    demo: Loaded, rows: asyncpg.Connection
) -> None:
    maker = await rows.fetchval("SELECT id FROM company WHERE is_manufacturer")
    parts = [r[0] for r in await rows.fetch("SELECT DISTINCT part_id FROM position WHERE beneficiary_id = $1", maker)]
    async with demo.app.read(Tenant(maker)) as session:
        places = await stock(session, parts, [maker], START)
        # Near Kansas City, by the date line, nowhere.
        for at in (Point(39.1, -94.6, "US"), Point(-16.5, 179.9, "FJ"), Point(None, None, "US")):
            for most, mask in ((1, frozenset()), (3, frozenset({maker})), (12, frozenset())):
                found, farther, may_give = await nearest_stock(
                    session, parts, [maker], START, destination=at, most=most, mask=mask
                )
                kept, left, may = nearest(places, at, most, mask)
                assert len(found) == len(set(found))
                # Ways of the same length to the last digit are the only thing that the two may tell apart.
                assert len(set(found) ^ kept) <= 4, (at, most)
                assert farther == left, (at, most)
                assert may_give == may, (at, most)
    assert len({row.agreement_id for row in places}) < len(places) - 100, "rights over several places"
    assert any(row.agreement_id is None for row in places)
    assert sum(left.values()) > 1_000


async def test_papers_read_as_if_they_had_been_offered(rows: asyncpg.Connection) -> None:
    """The text of a loaded agreement is what ``write_paper`` writes for the same particulars and units."""
    sample = await rows.fetch(
        "SELECT a.*, c.wording AS clause_wording FROM agreement a JOIN clause_version c USING (clause, version) "
        "WHERE a.reference LIKE 'AGR-Q%' ORDER BY a.id LIMIT 40"
    )
    assert len({r["clause"] for r in sample}) == 2
    for row in sample:
        lines = await rows.fetch(
            "SELECT p.number, p.description, p.uom, l.* FROM agreement_line l JOIN part p ON p.id = l.part_id "
            "WHERE l.agreement_id = $1",
            row["id"],
        )
        listed = [
            line.removeprefix("- **").split(":** ", 1) for line in row["wording"].split("\n\n", 1)[0].splitlines()
        ]
        plain = {label: value.replace("\\", "") for label, value in listed}
        assert plain["Schedule"] == row["reference"]
        schedule = [
            ScheduleLine(
                r["number"], r["description"], r["uom"], r["quantity_sold"], Money(_two(r["sale_price"]), "USD"),
                Money(_two(r["list_price"]), "USD"), r["minimum_to_keep"],
            )
            for r in lines
        ]  # fmt: skip
        terms = parse_terms(row["clause"], row["version"], json.loads(row["terms"]))
        text, _ = write_paper(row["clause_wording"], terms, plain, schedule)
        assert sorted(text.splitlines()) == sorted(row["wording"].splitlines())
        assert hashlib.sha256(row["wording"].encode()).digest() == row["wording_sha256"]


def _two(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


async def test_own_stock_stands_in_the_last_file_and_is_listed_within_what_is_free(
    demo: Loaded, rows: asyncpg.Connection
) -> None:
    mismatched = await rows.fetchval(
        "SELECT count(*) FROM stock_line s JOIN position p ON p.lot_id = s.lot_id AND p.site_id = s.site_id "
        "WHERE p.quantity <> s.quantity OR s.snapshot_on <> DATE '2026-11-21'"
    )
    assert mismatched == 0
    assert await rows.fetchval("SELECT count(*) FROM stock_line") == 1_600
    # Ordered units leave the lots behind a listing: what is left there is what can still be ordered.
    assert not await rows.fetch(
        "SELECT l.id FROM listing l LEFT JOIN listing_lot b ON b.listing_id = l.id GROUP BY l.id "
        "HAVING l.quantity - l.ordered <> coalesce(sum(b.quantity), 0)"
    )
    async with demo.app.read(Tenant(await rows.fetchval("SELECT id FROM company WHERE is_manufacturer"))) as session:
        assert await fetch_value(session, "SELECT count(*) FROM stock_line") == 1_600


async def test_a_partner_sees_its_own_part_of_the_world(demo: Loaded, rows: asyncpg.Connection) -> None:
    partner = await rows.fetchval("SELECT id FROM company WHERE code LIKE '%-WY'")
    async with demo.app.read(Tenant(partner)) as session:
        seen = await fetch_value(session, "SELECT count(*) FROM position WHERE quantity > 0")
        foreign = await fetch_value(
            session, "SELECT count(*) FROM position WHERE $1 NOT IN (owner_id, holder_id)", partner
        )
        lines = await fetch_value(session, "SELECT count(*) FROM stock_line")
    assert seen == await rows.fetchval(
        "SELECT count(*) FROM position WHERE quantity > 0 AND $1 IN (owner_id, holder_id)", partner
    )
    assert seen > 0
    assert (foreign, lines) == (0, 0)


async def signed_in(demo: Loaded, email: str) -> Actor:
    """Somebody of the demo, as the site knows them."""
    token = await sign_in(demo.app, email, demo.logins.password, source="test", hours=1, now=START)
    async with demo.app.read() as session:
        return await actor_of_session(session, token_hash(token), START)


WAITING = {
    # Part: who has to act, what waits for them, and the list that Home sends them to.
    recent.COMPRESSOR: ("warehouse@lone-mesquite", None, "/calls?side=holder&status=in_default"),
    recent.STEERING_PUMP: ("warehouse@northfield", ObligationKind.REPLACE_DRAW, "/calls?side=maker&status=replace"),
    recent.BRAKE_SHOE: ("planner@northfield", ObligationKind.ANSWER_PROPOSAL, "/agreements?status=proposed"),
    recent.STEERING_GEAR: ("planner@northfield", ObligationKind.ORDER_NOTICED, None),
    recent.CALIPER: ("planner@northfield", ObligationKind.ANSWER_DISPUTE, "/settlement/disputes?state=waiting"),
    recent.BRAKE_CHAMBER: (
        "buyer@lone-mesquite", ObligationKind.EXPLAIN_SHORTAGE, "/holdings/shortages?waits=explain"),
    recent.STARTER: ("technician@northfield", ObligationKind.INSPECT_CALL, "/calls?side=ours&status=inspect"),
    recent.PROPELLER: ("buyer@red-bed", ObligationKind.SUSPENSION_ENDS, None),
}  # fmt: skip


async def test_a_part_is_stopped_and_a_count_is_begun(demo: Loaded, rows: asyncpg.Connection) -> None:
    """A quality hold that one holder has answered and the partner of the printed logins has not, and a count to go on with."""
    holder = await signed_in(demo, "warehouse@lone-mesquite.example")
    async with demo.app.read(Tenant(holder.company_id)) as session:
        home = {task.href: task.count for task in await tasks(session, holder, START)}
        (begun,) = await sheets.sheets(session, holder.company_id)
    assert home["/recalls?waits=yes"] == 1
    assert (begun.open, begun.entries) == (True, 1)
    assert await rows.fetchval("SELECT count(DISTINCT holder_id) FROM recall_answer") == 1
    assert await rows.fetchval("SELECT count(*) FROM recall_holder h WHERE NOT EXISTS (SELECT FROM recall_told t "
                               "WHERE t.recall_id = h.recall_id AND t.holder_id = h.holder_id)") == 0  # fmt: skip


async def test_the_newest_agreements_wait_for_those_who_sign_in(demo: Loaded, rows: asyncpg.Connection) -> None:
    """Each situation of the second library is where the pages look for it: the calendar of who has to act, and Home."""
    found = {
        r["number"]: r
        for r in await rows.fetch(
            "SELECT p.number, a.id, a.clause, a.version, a.status, a.schedule_date, l.quantity_sold, c.id AS call_id, "
            "c.status AS call, c.quantity AS called FROM agreement a JOIN agreement_line l ON l.agreement_id = a.id "
            "JOIN part p ON p.id = l.part_id LEFT JOIN call c ON c.agreement_id = a.id WHERE a.clause IN "
            "('title-kept', 'first-refusal') OR a.version = 2"
        )
    }
    assert len(found) == 11
    assert {f"{r['clause']}/v{r['version']}" for r in found.values()} == {
        "buy-back/v2", "access-back/v2", "title-kept/v1", "first-refusal/v1",
    }  # fmt: skip
    assert all(r["schedule_date"] < START.date() for r in found.values())
    for number, (login, kind, href) in WAITING.items():
        actor = await signed_in(demo, f"{login}.example")
        async with demo.app.read(Tenant(actor.company_id)) as session:
            under = ObligationFilter(agreement_id=found[number]["id"], kinds=frozenset({kind} if kind else ()))
            due = await obligations.coming(session, actor, under, START, 5) if kind else []
            home = {task.href: task.count for task in await tasks(session, actor, START)}
        assert [o.mine for o in due] == ([True] if kind else []), (number, due)
        assert href is None or home[href] > 0, (number, home)
    calls = {number: r["call"] for number, r in found.items() if r["call"]}
    assert calls == {
        recent.COMPRESSOR: "defaulted", recent.STEERING_PUMP: "inspected", recent.CALIPER: "priced",
        recent.DRIVE_SHAFT: "accepted", recent.STARTER: "received",
    }  # fmt: skip
    planner = await signed_in(demo, "planner@northfield.example")
    holder = await signed_in(demo, "warehouse@lone-mesquite.example")
    async with demo.app.read(Tenant(planner.company_id)) as session:
        assert {t.href: t.count for t in await tasks(session, planner, START)}[
            "/calls?side=ours&status=in_default"
        ] == 1
        breach = await sourcing.breach_of(session, planner, found[recent.COMPRESSOR]["id"], START)
        came = await sourcing_queries.call_units(session, found[recent.STARTER]["call_id"])
        for number in (recent.CALIPER, recent.DRIVE_SHAFT):
            call = await sourcing_queries.call(session, found[number]["call_id"])
            assert call.status == calls[number]
    assert len(breach.defaults) == 1, "the manufacturer may end it"
    assert {u.stand_in_number for u in came} == {recent.NEWER_STARTER}
    async with demo.app.read(Tenant(holder.company_id)) as session:
        call = await sourcing_queries.call(session, found[recent.DRIVE_SHAFT]["call_id"])
        needed = await sourcing.licence_needed(session, call)
        taken = await retained.taken_under(session, found[recent.BRAKE_SHOE]["id"])
    assert needed is not None
    assert (needed.gets_it, call.licence) == (holder.company_id, None)
    assert call.licence_asked_at is not None
    assert sorted(t.quantity for t in taken) == [1, 2]
    lines = await rows.fetch(
        "SELECT quantity, paid = amount AS paid, due_on FROM settlement_line WHERE cause_id = ANY($1::uuid[]) ORDER BY 1",
        [t.id for t in taken],
    )  # fmt: skip
    assert [(r["quantity"], r["paid"]) for r in lines] == [(1, False), (2, True)]
    assert lines[0]["due_on"] > START.date()
    # Nothing of what was lived lies ahead, nor was mail sent about it.
    assert await rows.fetchval("SELECT max(recorded_at) FROM movement") < START
    assert await rows.fetchval("SELECT count(*) FROM outbox_event WHERE delivered_at IS NULL") == 0


async def test_living_that_is_interrupted_leaves_nothing_and_is_done_once(demo: Loaded) -> None:
    assert demo.left_by_interruption == (False, 0)
    assert await newest(demo.owner_dsn) == 11


async def test_what_is_on_offer_stands_under_the_second_library(demo: Loaded, rows: asyncpg.Connection) -> None:
    """Every ready-made combination can be ordered, and every line keeps as many as its terms say, as far as they are offered."""
    offered = await rows.fetch(
        "SELECT r.clause, r.version, r.terms->>'minimum_to_keep' AS keep, r.further, l.quantity, l.minimum_to_keep "
        "FROM release r JOIN listing l ON l.release_id = r.id WHERE l.published"
    )
    under = {
        ((r["clause"], r["version"]), *((x["clause"], x["version"]) for x in json.loads(r["further"]))) for r in offered
    }
    assert under == {tuple((c, v) for c, v, _ in made.clauses) for made in COMBINATIONS.values()}
    assert len(offered) == 200
    assert all(r["minimum_to_keep"] == min(int(r["keep"]), r["quantity"]) for r in offered)


async def test_the_watch_finds_the_planted_lapse_and_the_planted_fast_user(
    demo: Loaded, rows: asyncpg.Connection
) -> None:
    assert await watching_tasks.look_everywhere(demo.worker, START) == 1
    run = await rows.fetchrow("SELECT id, company_id FROM watch_run")
    await watching.make_watch(demo.worker, run_id=run["id"], company_id=run["company_id"], clock=lambda: START)
    found = {
        r["number"]: Found(r["flags"])
        for r in await rows.fetch(
            "SELECT p.number, w.flags FROM watch_row w JOIN part p ON p.id = w.part_id WHERE p.number = ANY($1)", [watched.ENDING, watched.DRAINED]
        )
    }  # fmt: skip
    assert Found.LAPSE in found[watched.ENDING]
    assert Found.FAST in found[watched.DRAINED]
    fast = await rows.fetch(
        "SELECT c.name, h.used FROM watch_holder h JOIN company c ON c.id = h.holder_id WHERE h.fast"
    )
    assert [(r["name"].split()[0], r["used"] >= 20) for r in fast] == [("Sandhills", True)]
    assert await rows.fetchval("SELECT count(*) FROM watch_finding WHERE kind = 'lapse' AND resolved_at IS NULL") > 0

"""Having the watch look: a run is asked for by a person or the clock, the worker reckons it from the ledger and lands it whole.

As with advice, a run that is killed has written nothing and is begun anew (``jobs.service.Attempts``)."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from marketplace.advising import queries as advising
from marketplace.advising import reckoning as demand
from marketplace.advising.copying import ids, packed, same
from marketplace.advising.overlay import Spread, lay, span
from marketplace.advising.rights import USUAL_USE, Call, Right, pieces
from marketplace.advising.using import Holders, Use, habits
from marketplace.db.session import Database, Tenant, WriteSession, be_patient, driver, execute, fetch, fetch_value
from marketplace.jobs.service import Attempts, enqueue
from marketplace.kit.errors import conflict
from marketplace.kit.money import Money
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parties.queries import people_to_tell
from marketplace.sourcing.rates import Rate
from marketplace.watching import queries, reckoning
from marketplace.watching.queries import RunRow
from marketplace.watching.reckoning import FIELDS, KINDS, Columns, Lines, Note, Parts, Setting
from marketplace.watching.telling import SHOWN, mail, proposal

RUN_WATCH = "watching.run"
"""The worker's job."""
ATTEMPTS = Attempts("watch_run")
_LATELY = timedelta(hours=1)
_MONTHS = 60
"""Of parts requests, where no file tells what was asked for."""
_KEPT_RUNS = 2
"""Rows of so many runs are kept; of older ones their sums."""
TOLD = ("planner",)
_NAMES = [name for name, _ in FIELDS]


async def start_watch(session: WriteSession, actor: Actor, now: datetime) -> UUID:
    """Asks for a look at everything. Raises ``watch.running``, ``watch.maker``."""
    if not actor.is_manufacturer:
        raise conflict("watch.maker", "The watch is over parts that are released: it is for manufacturers.")
    return await begin(session, actor.company_id, actor.user_id, now)


async def begin(session: WriteSession, company_id: UUID, asked_by: UUID | None, now: datetime) -> UUID:
    """As ``start_watch``; ``asked_by`` None: the clock does. The session acts for the company."""
    if await queries.going_for_update(session, company_id, now - _LATELY):
        raise conflict("watch.running", "The watch is at work for your company already. Wait until it has ended.")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO watch_run (company_id, currency, state, asked_by, created_at) "
        "SELECT id, currency, 'waiting', $2::uuid, $3::timestamptz FROM company WHERE id = $1 RETURNING id",
        company_id, asked_by, now,
    )  # fmt: skip
    await enqueue(session, RUN_WATCH, {"run_id": str(made), "company_id": str(company_id)})
    return made


async def make_watch(database: Database, *, run_id: UUID, company_id: UUID, clock: Callable[[], datetime]) -> None:
    """Reckons a run and lands it; done twice, it does nothing twice."""
    tenant = Tenant(company_id)

    async def work() -> None:
        async with database.read(tenant) as session:
            found = await queries.run(session, company_id, run_id)
        await _look(database, tenant, found, clock)

    await ATTEMPTS.carry_out(database, tenant, run_id, work, clock)


async def _look(database: Database, tenant: Tenant, run: RunRow, clock: Callable[[], datetime]) -> None:
    now = clock()
    async with database.write(tenant) as session:
        await be_patient(session)
        await execute(session, "SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true)")
        seen = await _Seen.read(session, run, now)
    columns, holders = await asyncio.to_thread(seen.reckon)
    await _write(database, tenant, run, seen, columns, holders, clock())


class _Seen:
    """What the database knows at one moment."""

    setting: Setting
    rights: Mapping[UUID, Right]
    uses: Sequence[Use]
    standing: Mapping[str, Any]
    levels: Mapping[UUID, int]
    parts: npt.NDArray[np.bytes_]
    own: npt.NDArray[np.float64]
    cost: npt.NDArray[np.float64]
    lines: npt.NDArray[Any]
    raw: Spread
    prices: Mapping[tuple[UUID, UUID], float]
    rates: Mapping[str, Rate]
    currency: str
    files: bool
    replaced_by: dict[int, int]
    holders: list[UUID]

    @classmethod
    async def read(cls, session: WriteSession, run: RunRow, now: datetime) -> _Seen:
        """Everything, in statements that are as many for many parts as for one (a file of demand takes one more)."""
        seen, company = cls(), run.company_id
        seen.setting = await queries.setting_of(session, company)
        seen.rights = {r.id: r for r in await advising.rights(session, company, now)}
        seen.uses = await advising.use_of_agreements(session, company, now)
        seen.levels = await queries.levels(session, company)
        seen.standing = await queries.standing(session, company, run.currency, now)
        stock: list[npt.NDArray[Any]] = []
        lines: list[npt.NDArray[Any]] = []
        files = await advising.counting_files(session, company)
        await advising.copy_stock(session, company, run.currency, [f.id for f in files], stock.append)
        await advising.copy_lines(session, company, now, lines.append)
        since = now - timedelta(days=_MONTHS * 31)
        asked = await queries.asked_by_month(session, company, since)
        seen.lines = np.concatenate(lines) if lines else np.zeros(0, [("part", "S16"), ("agreement", "S16"), *((n, "f8") for n in ("there", "held", "keep", "back", "price"))])  # fmt: skip
        mine = np.concatenate([s["part"] for s in stock]) if stock else ids([])
        seen.parts = np.unique(np.concatenate([mine, seen.lines["part"], ids([p.bytes for p, _, _ in asked])]))
        seen.own, seen.cost = np.zeros(len(seen.parts)), np.full(len(seen.parts), np.nan)
        at = demand.places(seen.parts, mine)
        seen.own[at] = np.concatenate([s["units"] for s in stock]) if stock else []
        cost = np.concatenate([s["cost"] for s in stock]).astype(np.float64) if stock else np.zeros(0)
        seen.cost[at] = np.where(cost > 0, cost, np.nan)
        seen.currency = run.currency
        seen.prices = await queries.following_prices(session, seen._following(), now.date())
        seen.rates = await queries.rates_into(session, company, run.currency, now.date())
        await seen._histories(session, files, asked, now)
        pairs = await advising.successors(session, now.date())
        before, after = (demand.places(seen.parts, ids([p[n] for p in pairs])) for n in (0, 1))
        both = (before >= 0) & (after >= 0)
        seen.replaced_by = dict(zip(before[both].tolist(), after[both].tolist(), strict=True))
        return seen

    async def _histories(self, session: WriteSession, files: Any, asked: Any, now: datetime) -> None:
        """Demand as files tell it, and of parts that none of them names as parts requests do."""
        self.files = bool(files)
        last = now.year * 12 + now.month - 1
        first, months = span([(f.first, f.months) for f in files] or [(last - _MONTHS, _MONTHS)])
        self.raw = np.full((len(self.parts), months), np.nan, dtype=np.float32)
        for file in files:

            def use(piece: npt.NDArray[Any], begins: int = file.first) -> None:
                at = demand.places(self.parts, piece["part"])
                known = at >= 0
                lay(self.raw, first, at[known], piece["units"]["value"][known], begins)

            await advising.copy_history(session, file, use)
        if not asked:
            return
        at = demand.places(self.parts, ids([p.bytes for p, _, _ in asked]))
        month = np.array([m for _, m, _ in asked]) - first
        units = np.array([u for _, _, u in asked], dtype=np.float32)
        silent = np.isnan(self.raw).sum(axis=1) == months
        # Of these parts nothing but requests tells: since the first of them, what was not asked for was not needed.
        begun = min(max(int(month.min()), 0), months - 1)
        self.raw[np.flatnonzero(silent), begun:] = 0
        within = (month >= 0) & (month < months) & silent[at]
        np.add.at(self.raw, (at[within], month[within]), units[within])

    def reckon(self) -> tuple[Columns, Holders]:
        """Rates, rights and holders as arrays, and what the core makes of them."""
        assumed = np.isnan(self.raw).sum(axis=1) == self.raw.shape[1]
        rate, decline = self._rates()
        keys = [UUID(bytes=part.ljust(16, b"\0")) for part in self.parts.tolist()] if self.levels else []
        level = (
            np.array([self.levels.get(k, 0) for k in keys], np.int64) if keys else np.zeros(len(self.parts), np.int64)
        )
        lines, holders = self._lines()
        cost = self.cost.copy()
        # A part that no stock file prices is worth what it was sold for.
        sold = np.full(len(self.parts), np.nan)
        at = demand.places(self.parts, self.lines["part"])
        times = {r.id.bytes: self._times(r.currency) for r in self.rights.values()}
        into = np.array([times.get(a.ljust(16, b"\0"), np.nan) for a in self.lines["agreement"].tolist()], np.float64)
        np.fmax.at(sold, at, self.lines["price"].astype(np.float64) * into)
        cost = np.where(np.isnan(cost) & (sold > 0), sold, cost)
        parts = Parts(self.parts, self.own, cost, rate, decline, level, assumed)
        return reckoning.watch_all(parts, lines, holders, self.setting), holders

    def _rates(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Units a year and how fast that falls, by the models of the advisor. A demand of several units counts as so many."""
        if not len(self.parts) or np.isnan(self.raw).all():
            return np.zeros(len(self.parts)), np.zeros(len(self.parts))
        old, _ = demand.chains(self.raw, self.replaced_by)
        slices = [slice(s, s + demand.CHUNK) for s in range(0, len(self.parts), demand.CHUNK)]
        counts = [demand.tidy(self.raw[at])[0] for at in slices]
        catalogue, choice = demand.study(self.raw, counts)
        rate, decline = np.zeros(len(self.parts)), np.zeros(len(self.parts))
        for at in slices:
            rates = demand.rates_of(self.raw[at], catalogue, choice)
            rate[at], decline[at] = rates.rate * np.maximum(rates.size, 1.0), np.minimum(rates.decline, 10.0)
        rate[old] = 0.0
        return rate, decline

    def _lines(self) -> tuple[Lines, Holders]:
        known = [self.rights.get(UUID(bytes=a.ljust(16, b"\0"))) for a in self.lines["agreement"].tolist()]
        rows = self.lines[[r is not None for r in known]]
        there = [r for r in known if r is not None]
        self.holders = sorted({r.holder_id for r in self.rights.values()} | {use.holder_id for use in self.uses})
        place = {holder: n for n, holder in enumerate(self.holders)}
        at = demand.places(self.parts, rows["part"])
        found: list[tuple[float, ...]] = []
        for n, (r, line) in enumerate(zip(there, rows, strict=True)):
            held, lying = float(line["held"]), int(line["there"])
            least = max(r.kept(line["keep"]) - (line["back"] if r.applies_to == "floor" else 0), 0)
            keep, left = (least if r.applies_to != "none" else 0), lying - held
            price = self._price(r, line)
            renewed = r.renewed - r.years
            for first, piece in enumerate(pieces(r, lying, line["keep"], line["back"], int(held), r.years)):
                # Only what lasts to the end of the right goes on with it.
                lasts = piece.years + (renewed if piece.years >= r.years else 0.0)
                found.append((
                    at[n], place[r.holder_id], piece.units, piece.floor, 0.0 if first else held, max(left - keep, 0.0), left < keep, keep, piece.years, lasts,
                    r.firm and r.opens_in == 0, price, self._notes(r, price), 0.0 if first or not piece.units else left,
                ))  # fmt: skip
        columns = np.array(found, np.float64).reshape(len(found), 14).T
        part, holder, units, floor, coming, spare, short, keeps, lasting, renews, firm, cost, notes, lie = columns
        lines = Lines(
            part=part.astype(np.int64), holder=holder.astype(np.int64), units=units, floor=floor, coming=coming, spare=spare, short=short > 0, keep=keeps,
            years=lasting, renewed=renews, firm=firm > 0, price=cost, notes=notes.astype(np.int64),
        )  # fmt: skip
        total = np.zeros(len(self.holders))
        np.add.at(total, lines.holder, lie)
        return lines, habits(self.holders, self.rights, self.uses, total, USUAL_USE)

    def _following(self) -> dict[tuple[UUID, UUID], tuple[Call, Money]]:
        """Lines whose price follows something that the database knows."""
        found = {}
        columns = (self.lines[n].tolist() for n in ("agreement", "part", "price"))
        for agreement, part, paid in zip(*columns, strict=True):
            r = self.rights.get(UUID(bytes=agreement.ljust(16, b"\0")))
            if r is not None and r.price.follows and r.applies_to != "none":
                found[r.id, UUID(bytes=part.ljust(16, b"\0"))] = (r.price, Money(Decimal(str(paid)), r.currency))
        return found

    def _times(self, currency: str) -> float:
        """What one unit of a currency is in the company's; NaN where no rate is new enough."""
        if currency == self.currency:
            return 1.0
        rate = self.rates.get(currency)
        return float(rate.rate) if rate else math.nan

    def _price(self, r: Right, line: npt.NDArray[Any]) -> float:
        """Of calling a unit now, in the company's currency."""
        own = r.price.of(float(line["price"]))
        if r.price.follows:
            own = self.prices.get((r.id, UUID(bytes=bytes(line["part"]).ljust(16, b"\0"))), math.nan)
        return own * self._times(r.currency)

    def _notes(self, r: Right, price: float) -> int:
        if r.applies_to == "none":
            return 0
        return sum(
            note for note, holds in (
                (Note.UNPRICED, math.isnan(price)), (Note.CONVERTED, r.currency != self.currency and not math.isnan(price)), (Note.FOLLOWS, bool(r.price.follows)),
                (Note.NOT_REPLACED, r.price.clause == "access-back"), (Note.RENEWS, r.renewal == "automatic"), (Note.MAY_RENEW, r.renewal == "by_agreement"),
                (Note.DECLINES, any(0 < at < r.years for at, _ in r.steps)),
            ) if holds
        )  # fmt: skip


async def _write(
    database: Database, tenant: Tenant, run: RunRow, seen: _Seen, columns: Columns, holders: Holders, now: datetime
) -> None:
    company, size = run.company_id, len(columns["part_id"])
    async with database.write(tenant) as session:
        await be_patient(session)
        if not await ATTEMPTS.still_mine(session, tenant, run.id, run.attempt):
            return  # another worker has it by now
        raw = await driver(session)
        for start in range(0, size, demand.CHUNK):
            some = {name: c[start : start + demand.CHUNK] for name, c in columns.items()}
            data = packed(FIELDS, {"run_id": same(run.id, len(some["part_id"])), **some})
            await raw.copy_to_table("watch_stage", source=_pieces(data), columns=_NAMES, format="binary", timeout=600)
        listed = ", ".join(_NAMES)
        await execute(
            session,
            f"INSERT INTO watch_row (company_id, {listed}) SELECT $2::uuid, {listed} FROM watch_stage WHERE run_id = $1",
            run.id, company,
        )  # fmt: skip
        await execute(session, "DELETE FROM watch_stage WHERE run_id = $1", run.id)
        await execute(
            session,
            "INSERT INTO watch_holder (run_id, holder_id, company_id, units, used, unit_years, assumed, learnt, low, high, fast) "
            "SELECT $1, h.*  FROM (SELECT x.holder, $2::uuid, x.units, x.used, x.years, x.assumed, x.learnt, x.low, x.high, x.fast "
            "FROM unnest($3::uuid[], $4::int[], $5::int[], $6::float8[], $7::float8[], $8::float8[], $9::float8[], $10::float8[], $11::bool[]) "
            "AS x (holder, units, used, years, assumed, learnt, low, high, fast)) h",
            run.id, company, seen.holders, holders.units.astype(int).tolist(), holders.used.astype(int).tolist(),
            *(getattr(holders, n).tolist() for n in ("unit_years", "assumed", "learnt", "low", "high", "fast")),
        )  # fmt: skip
        summed = reckoning.totals(columns, seen.setting) | {
            "fast_holders": int(holders.fast.sum()),
            "demand": "files" if seen.files else "requests",
            "standing": seen.standing,
            "rates": [rate.words for _, rate in sorted(seen.rates.items())],
        }
        await _find(session, run, seen.setting, summed, now)
        await execute(
            session,
            "UPDATE watch_run SET state = 'done', setting = $3::jsonb, totals = $4::jsonb, finished_at = $5 WHERE id = $1 AND company_id = $2",
            run.id, company, json.dumps(seen.setting.as_kept()), json.dumps(summed), now,
        )  # fmt: skip
        for table in ("watch_row", "watch_holder"):
            await execute(
                session,
                f"DELETE FROM {table} WHERE company_id = $1 AND run_id IN (SELECT id FROM watch_run WHERE company_id = $1 AND state = 'done' "
                f"ORDER BY id DESC OFFSET {_KEPT_RUNS})",
                company,
            )  # fmt: skip
        await execute(session, "ANALYZE watch_row (run_id, flags)")


async def _find(session: WriteSession, run: RunRow, setting: Setting, summed: dict[str, Any], now: datetime) -> None:
    """What no longer holds ends, what is new begins, and people are told of that once: the finding and the event are one
    transaction."""
    bits = ", ".join(f"('{name}', {int(bit)})" for name, bit in KINDS.items())
    ended = await fetch_value(
        session,
        f"WITH gone AS (UPDATE watch_finding f SET resolved_at = $3 FROM (VALUES {bits}) k (kind, bit) "
        "WHERE f.company_id = $1 AND f.resolved_at IS NULL AND k.kind = f.kind AND NOT EXISTS ("
        "SELECT FROM watch_row w WHERE w.run_id = $2 AND w.part_id = f.part_id AND w.flags & k.bit > 0) RETURNING 1) SELECT count(*) FROM gone",
        run.company_id, run.id, now,
    )  # fmt: skip
    new = await fetch(
        session,
        "WITH begun AS (INSERT INTO watch_finding (company_id, kind, part_id, run_id, found_at) "
        f"SELECT $1, k.kind, w.part_id, $2, $3 FROM watch_row w CROSS JOIN (VALUES {bits}) k (kind, bit) "
        "WHERE w.run_id = $2 AND w.company_id = $1 AND w.flags & k.bit > 0 ON CONFLICT DO NOTHING RETURNING kind, part_id), "
        "most AS (SELECT p.number, w.call_units, w.pool, w.sure, w.call_sure, w.least, w.lapsing, w.lapses_in, w.flags FROM "
        "(SELECT DISTINCT part_id FROM begun) b JOIN watch_row w ON w.run_id = $2 AND w.part_id = b.part_id JOIN part p ON p.id = w.part_id "
        f"ORDER BY w.money DESC, w.part_id LIMIT {SHOWN}) "
        "SELECT (SELECT json_object_agg(kind, n) FROM (SELECT kind, count(*) AS n FROM begun GROUP BY kind) c)::text AS counts, most.* "
        "FROM (SELECT 1) one LEFT JOIN most ON true",
        run.company_id, run.id, now,
    )  # fmt: skip
    counts: dict[str, int] = json.loads(new[0]["counts"] or "{}")
    summed |= {"new": {name: counts.get(name, 0) for name in KINDS}, "resolved": int(ended or 0)}
    if not counts:
        return
    first = [
        (
            r["number"],
            proposal(
                units=r["call_units"], pool=r["pool"], sure=r["sure"], after=r["call_sure"], years=setting.horizon, least=r["least"],
                lapsing=r["lapsing"], lapses_in=r["lapses_in"], flags=r["flags"],
            ),
        )
        for r in new if r["number"] is not None
    ]  # fmt: skip
    subject, text = mail(
        {name: counts.get(name, 0) for name in KINDS}, int(ended or 0), first, summed["call_units"], f"{summed['call_cost']:,.0f} {run.currency}"
    )  # fmt: skip
    to = await people_to_tell(session, run.company_id, TOLD)
    payload: dict[str, Any] = {"new": counts}
    if to:
        payload["mail"] = {"to": to, "subject": subject, "text": text, "link": "/watch"}
    await emit(session, "watch.found", "watch_run", run.id, (run.company_id,), payload)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]

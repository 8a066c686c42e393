"""Having advice made: a run is asked for, the worker reckons it from what the database knows then, and lands it whole.

A run that is killed has written nothing: the queue hands it out again, and it begins anew (``jobs.service.Attempts``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from marketplace.advising import queries, reckoning, scenarios
from marketplace.advising.copying import ids, packed, same
from marketplace.advising.overlay import Spread, lay, span
from marketplace.advising.queries import RunRow
from marketplace.advising.reckoning import CHUNK, FIELDS, Columns, Stock
from marketplace.advising.rights import pieces
from marketplace.advising.scenarios import MOST_TOLD, Held, Limits
from marketplace.advising.using import Holders, PartUse, Use, habits, of_parts, of_terms
from marketplace.db.session import Database, Tenant, WriteSession, be_patient, driver, execute, fetch_one, fetch_value
from marketplace.jobs.service import Attempts, enqueue
from marketplace.kit.errors import conflict, invalid
from marketplace.parties.actor import Actor
from marketplace.planning.advice import Policy
from marketplace.planning.choosing import Choice
from marketplace.planning.inputs import Array, Ints, added

RUN_ADVICE = "advising.run"
"""The worker's job."""
ATTEMPTS = Attempts("advice_run")
MOST_NAME = 80
_LATELY = timedelta(hours=1)
"""A run that has not ended after so long stands in nobody's way."""
_AT_ONCE = 2
"""Chunks that are reckoned beside each other: NumPy lets go of the interpreter while it works."""


async def start_run(
    session: WriteSession,
    actor: Actor,
    policy: Policy,
    now: datetime,
    *,
    name: str | None = None,
    base_id: UUID | None = None,
    limits: Limits | None = None,
) -> UUID:
    """Asks for advice on every part, under a policy. ``name``, ``base_id``: a scenario, and the run that it is compared with; ``limits``:
    that hold for all parts. Raises what ``Policy.check`` and ``Limits.check`` raise, ``advice.running``, ``advice.name``,
    ``advice.not_found``."""
    policy.check()
    kept = limits or Limits()
    kept.check()
    said = (name or "").strip() or None
    if said and len(said) > MOST_NAME:
        raise invalid("advice.name", f"A name has at most {MOST_NAME} characters.", field="name")
    if base_id is not None:
        if said is None:
            raise invalid("advice.name", "Give the scenario a name, to tell it from the others.", field="name")
        if (await queries.run(session, actor.company_id, base_id)).state != "done":
            raise conflict("advice.not_done", "The run that it is to be compared with has not ended yet.")
    if await queries.going_for_update(session, actor.company_id, now - _LATELY):
        raise conflict("advice.running", "The advisor is at work for your company already. Wait until it has ended.")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO advice_run (company_id, policy, currency, state, created_by, created_at, name, base_id, limits) "
        "VALUES ($1, $2::jsonb, $3, 'waiting', $4, $5, $6, $7, $8::jsonb) RETURNING id",
        actor.company_id, json.dumps(reckoning.kept_policy(policy)), actor.currency, actor.user_id, now, said, base_id,
        json.dumps(kept.as_kept()) if kept.some else None,
    )  # fmt: skip
    await enqueue(session, RUN_ADVICE, {"run_id": str(made), "company_id": str(actor.company_id)})
    return made


async def make_advice(database: Database, *, run_id: UUID, company_id: UUID, clock: Callable[[], datetime]) -> None:
    """Reckons a run and lands it; done twice, it does nothing twice."""
    tenant = Tenant(company_id)

    async def work() -> None:
        async with database.read(tenant) as session:
            found = await queries.run(session, company_id, run_id)
        await _Reckoning(database, tenant, found, clock).carry_out()

    await ATTEMPTS.carry_out(database, tenant, run_id, work, clock)


class _Reckoning:
    """One attempt at a run."""

    def __init__(self, database: Database, tenant: Tenant, run: RunRow, clock: Callable[[], datetime]) -> None:
        self._database, self._tenant, self._run, self._clock = database, tenant, run, clock
        self._policy = reckoning.policy_from(run.policy)
        self._limits = Limits.of(run.limits)

    async def carry_out(self) -> None:
        columns, choice, policy, partners, histories = await self._decide()
        short: list[str] = []
        if self._limits.some:
            await self._say("Keeping the limits", 0, 0)
            short = await asyncio.to_thread(scenarios.limit, columns, policy, self._limits)
        else:
            await self._say("Deciding the largest exactly", 0, 0)
            pieces = reckoning.most_money(columns, policy, _AT_ONCE)
            await asyncio.gather(*(asyncio.to_thread(reckoning.exactly, columns, at, policy) for at in pieces))
        reckoning.to_cents(columns)
        # The rows are written while the totals are reckoned: the one keeps PostgreSQL busy, the other this process.
        await self._say("Writing, and what if", 0, len(columns["stock"]))
        least = self._limits.least or partners.least or scenarios.USUAL_LEAST

        def sum_up() -> dict[str, Any]:
            use = (
                {"terms": partners.terms, "partners": partners.told()}
                if policy.learn
                else {"terms": {}, "partners": []}
            )
            more = {
                "frontier": scenarios.frontier(columns, policy), "stress": _stress(columns, policy, partners), "use": use, "short": short,
                "histories": histories, "sensitivity": scenarios.sensitivity(columns, policy),
            }  # fmt: skip
            return reckoning.totals(columns, choice) | scenarios.in_short(columns, least) | more

        summing = asyncio.create_task(asyncio.to_thread(sum_up))
        try:
            await self._write(columns, summing)
        finally:
            # Where writing failed its error is the one that is told.
            await asyncio.gather(summing, return_exceptions=True)

    async def _decide(self) -> tuple[Columns, Choice, Policy, _Partners, int]:
        """Reads everything and decides each part alone. The histories, most of the memory, are let go of at its end."""
        await self._say("Reading stock", 0, 0)
        stock, raw, replaced_by, partners = await self._read()
        old, carries = await asyncio.to_thread(reckoning.chains, raw, replaced_by)
        slices = [slice(start, start + CHUNK) for start in range(0, len(stock.parts), CHUNK)]
        tidied = await self._each("Looking at demand", slices, lambda at: reckoning.tidy(raw[at]))
        counts, marks = [t[0] for t in tidied], [t[1] for t in tidied]
        odd = np.concatenate(marks) if marks else np.zeros(0, np.int64)
        odd[old] |= reckoning.Mark.REPLACED
        odd[carries] |= reckoning.Mark.POOLED
        policy, use = self._learn(stock, partners)
        if not (stock.units > 0).any():
            raise conflict(
                "advice.no_stock",
                "There is no free stock of your own to advise on: import a stock file first. Units that are reserved, on offer or under an agreement are not free.",
            )
        catalogue, choice = await asyncio.to_thread(reckoning.study, raw, counts)

        def decide(at: slice) -> Columns:
            return reckoning.reckon(stock, at, raw, old, odd, catalogue, choice, policy, use)

        columns = reckoning.together(await self._each("Deciding", slices, decide))
        return columns, choice, policy, partners, int((odd & reckoning.Mark.NO_HISTORY == 0).sum())

    def _learn(self, stock: Stock, partners: _Partners) -> tuple[Policy, PartUse | None]:
        """The policy with what partners' use says, and that of those that hold each part."""
        if not self._policy.learn:
            return self._policy, None
        partners.terms = of_terms(self._policy.presets, partners.uses, self._policy.hazard)
        policy = replace(self._policy, learnt={name: one["hazard"] for name, one in partners.terms.items()})
        at = reckoning.places(stock.parts, partners.part)
        known = at >= 0
        use = of_parts(len(stock.parts), at[known], partners.holder[known], partners.there[known], partners.known)
        return policy, use

    async def _read(self) -> tuple[Stock, Spread, dict[int, int], _Partners]:
        company = self._run.company_id
        async with self._database.write(self._tenant) as session:
            await be_patient(session)
            await execute(session, "SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true)")
            files = await queries.counting_files(session, company)
            rows: list[npt.NDArray[Any]] = []
            await queries.copy_stock(session, company, self._run.currency, [f.id for f in files], rows.append)
            stock = _stock(rows)
            partners = await _Partners.read(session, company, self._clock(), self._policy.hazard)
            first, months = span([(f.first, f.months) for f in files])
            raw: Spread = np.full((len(stock.parts), months), np.nan, dtype=np.float32)
            await self._say("Reading demand", 0, len(stock.parts))
            for file in files:

                def use(piece: npt.NDArray[Any], begins: int = file.first) -> None:
                    at = reckoning.places(stock.parts, piece["part"])
                    known = at >= 0
                    lay(raw, first, at[known], piece["units"]["value"][known], begins)

                await queries.copy_history(session, file, use)
            pairs = await queries.successors(session, self._clock().date())
        if not pairs:
            return stock, raw, {}, partners
        before, after = (reckoning.places(stock.parts, ids([p[n] for p in pairs])) for n in (0, 1))
        both = (before >= 0) & (after >= 0)
        return stock, raw, dict(zip(before[both].tolist(), after[both].tolist(), strict=True)), partners

    async def _each(self, stage: str, slices: list[slice], work: Callable[[slice], Any]) -> list[Any]:
        """Chunks in their order, some at once; how far they are is told after each."""
        free, done = asyncio.Semaphore(_AT_ONCE), 0
        total = slices[-1].stop if slices else 0

        async def one(at: slice) -> Any:
            nonlocal done
            async with free:
                found = await asyncio.to_thread(work, at)
                done += CHUNK
                await self._say(stage, min(done, total), total)
                return found

        return list(await asyncio.gather(*map(one, slices)))

    async def _say(self, stage: str, done: int, total: int) -> None:
        """How far it is, for the page; seen at once."""
        async with self._database.write(self._tenant) as session:
            await execute(
                session,
                "UPDATE advice_run SET stage = $3, done = $4, total = $5 WHERE id = $1 AND company_id = $2 AND state = 'running' AND attempt = $6",
                self._run.id, self._run.company_id, stage, done, total, self._run.attempt,
            )  # fmt: skip

    async def _write(self, columns: Columns, summing: asyncio.Task[dict[str, Any]]) -> None:
        """Lands the rows and, as soon as they are reckoned, the totals, in one transaction. It holds the run's row, so nothing is told
        meanwhile."""
        size = len(columns["stock"])
        names = [name for name, _ in FIELDS]
        async with self._database.write(self._tenant) as session:
            await be_patient(session)
            if not await ATTEMPTS.still_mine(session, self._tenant, self._run.id, self._run.attempt):
                return  # another worker has it by now
            raw = await driver(session)
            for start in range(0, size, CHUNK):
                some = {name: c[start : start + CHUNK] for name, c in columns.items()}
                data = packed(FIELDS, {"run_id": same(self._run.id, len(some["stock"])), **some})
                await raw.copy_to_table(
                    "advice_stage", source=_pieces(data), columns=names, format="binary", timeout=600
                )
            await self._land(session, names)
            await execute(session, "DELETE FROM advice_stage WHERE run_id = $1", self._run.id)
            summed = await summing
            if self._run.base_id is not None:
                summed["apart"] = await self._apart(session)
            await execute(
                session,
                "UPDATE advice_run SET state = 'done', stage = '', done = $3, total = $3, totals = $4::jsonb, finished_at = $5 WHERE id = $1 AND company_id = $2",
                self._run.id, self._run.company_id, size, json.dumps(summed), self._clock(),
            )  # fmt: skip
            await execute(session, "ANALYZE advice_row (run_id, advice, class)")

    async def _land(self, session: WriteSession, names: Sequence[str]) -> None:
        listed = ", ".join(names)
        if self._run.base_id is None:
            await execute(
                session,
                f"INSERT INTO advice_row (company_id, {listed}) SELECT $2::uuid, {listed} FROM advice_stage WHERE run_id = $1",
                self._run.id, self._run.company_id,
            )  # fmt: skip
            return
        base = await queries.run(session, self._run.company_id, self._run.base_id)
        staged = ", ".join(f"s.{name}" for name in names)
        # Terms are compared by their names: a place in one policy's list is another one in the other's.
        await execute(
            session,
            f"INSERT INTO advice_row (company_id, {listed}, differs, apart) SELECT $2::uuid, {staged}, "
            "(s.keep, s.release, s.scrap, ($4::text[])[s.preset + 1]) IS DISTINCT FROM (b.keep, b.release, b.scrap, ($5::text[])[b.preset + 1]), "
            "s.cash - coalesce(b.cash, 0) FROM advice_stage s LEFT JOIN advice_row b ON b.run_id = $3 AND b.part_id = s.part_id AND b.company_id = $2 "
            "WHERE s.run_id = $1",
            self._run.id, self._run.company_id, base.id, list(self._policy.presets), list(base.policy["presets"]),
        )  # fmt: skip

    async def _apart(self, session: WriteSession) -> dict[str, float]:
        """How many parts are advised on otherwise than by the run that it was made from, and the cash between them."""
        row = await fetch_one(
            session,
            "SELECT count(*) AS parts, coalesce(sum(apart), 0)::float8 AS cash FROM advice_row WHERE run_id = $1 AND company_id = $2 AND differs",
            self._run.id, self._run.company_id,
        )  # fmt: skip
        return {"parts": row["parts"], "cash": row["cash"]} if row else {}


@dataclass(slots=True)
class _Partners:
    """What partners have under rights and what they used up: lines as arrays, holders by place."""

    holders: list[UUID]
    known: Holders
    uses: Sequence[Use]
    part: npt.NDArray[np.bytes_]
    holder: Ints
    there: Array
    held: Held
    least: Mapping[int, float] | None
    terms: dict[str, dict[str, float]]

    @classmethod
    async def read(cls, session: WriteSession, company: UUID, now: datetime, usual: float) -> _Partners:
        """Four statements, however many partners there are."""
        rights = {r.id: r for r in await queries.rights(session, company, now)}
        uses = await queries.use_of_agreements(session, company, now)
        found: list[npt.NDArray[Any]] = []
        await queries.copy_lines(session, company, now, found.append)
        least = await queries.least_coverage(session, company)
        holders = sorted({r.holder_id for r in rights.values()} | {u.holder_id for u in uses})
        place = {holder: n for n, holder in enumerate(holders)}
        part, kept, names = [], [], ("there", "held", "keep", "back")
        for row in np.concatenate(found) if found else ():
            right = rights.get(UUID(bytes=bytes(row["agreement"]).ljust(16, b"\0")))
            if right is None:
                continue
            there, held, keep, back = (float(row[n]) for n in names)
            for piece in pieces(right, int(there), keep, back, int(held), right.years):
                part.append(row["part"])
                kept.append((place[right.holder_id], there, piece.units, piece.floor, piece.years))
                there = 0.0  # once
        columns = np.array(kept, dtype=np.float64).reshape(len(kept), 5)
        holder = columns[:, 0].astype(np.int64)
        total = added(holder, columns[:, 1], len(holders))
        known = habits(holders, rights, uses, total, usual)
        hazard = np.minimum(known.learnt, 10.0)[holder] if kept else np.zeros(0)
        lines = Held(np.zeros(len(kept), np.int64), holder, columns[:, 2], columns[:, 3], columns[:, 4], hazard)
        return cls(
            holders,
            known,
            uses,
            ids([bytes(p).ljust(16, b"\0") for p in part]),
            holder,
            columns[:, 1],
            lines,
            least,
            {},
        )

    def told(self) -> list[dict[str, Any]]:
        """Those that were longest at it, for the page."""
        order = np.argsort(-self.known.unit_years, kind="stable")[:MOST_TOLD]
        return [
            {
                "holder": str(self.holders[n]), "units": float(self.known.units[n]), "used": float(self.known.used[n]), "years": float(self.known.unit_years[n]),
                "expected": float(self.known.assumed[n]), "hazard": float(self.known.learnt[n]), "low": float(self.known.low[n]), "high": float(self.known.high[n]),
            }
            for n in order.tolist() if self.known.unit_years[n] > 0
        ]  # fmt: skip


def _stress(columns: Columns, policy: Policy, partners: _Partners) -> dict[str, Any]:
    order = np.argsort(columns["part_id"], kind="stable")
    at = reckoning.places(columns["part_id"][order], partners.part)
    some = np.flatnonzero((at >= 0) & (partners.held.units > 0))
    held = partners.held.rows(some)
    held = replace(held, part=order[at[some]].astype(np.int64))
    return scenarios.stress(columns, policy, held, [str(h) for h in partners.holders])


def _stock(rows: list[npt.NDArray[Any]]) -> Stock:
    if not rows:
        none = np.zeros(0, np.bool_)
        return Stock(ids([]), np.zeros(0), np.zeros(0), none, none, none, np.zeros(0, np.int64))
    order = np.argsort(parts := np.concatenate([r["part"] for r in rows]), kind="stable")

    def column(name: str, kind: type) -> npt.NDArray[Any]:
        return np.concatenate([r[name] for r in rows])[order].astype(kind)

    return Stock(
        parts[order], column("units", np.float64), column("cost", np.float64), column("protected", np.bool_), column("foreign", np.bool_),
        column("stated", np.bool_), column("level", np.int64),
    )  # fmt: skip


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]

"""Having advice made: a run is asked for, the worker reckons it from what the database knows then, and lands it whole.

A run that is killed has written nothing: the queue hands it out again, and it begins anew. Whoever began it last may write, so that two
workers that both believe to have it do not both land it; after ``MOST_ATTEMPTS`` it fails in words instead of going round for ever.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from marketplace.advising import queries, reckoning
from marketplace.advising.copying import ids, packed, same
from marketplace.advising.overlay import Spread, lay, span
from marketplace.advising.queries import RunRow
from marketplace.advising.reckoning import CHUNK, FIELDS, Columns, Stock
from marketplace.db.session import Database, Tenant, WriteSession, be_patient, driver, execute, fetch_value
from marketplace.jobs.service import enqueue
from marketplace.kit.errors import DomainError, Kind, conflict
from marketplace.parties.actor import Actor
from marketplace.planning.advice import Policy

RUN_ADVICE = "advising.run"
"""The worker's job."""
MOST_ATTEMPTS = 3
_LATELY = timedelta(hours=1)
"""A run that has not ended after so long stands in nobody's way."""
_AT_ONCE = 2
"""Chunks that are reckoned beside each other: NumPy lets go of the interpreter while it works."""


async def start_run(session: WriteSession, actor: Actor, policy: Policy, now: datetime) -> UUID:
    """Asks for advice on every part, under a policy. Raises what ``Policy.check`` raises, and ``advice.running``."""
    policy.check()
    if await queries.going_for_update(session, actor.company_id, now - _LATELY):
        raise conflict("advice.running", "The advisor is at work for your company already. Wait until it has ended.")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO advice_run (company_id, policy, currency, state, created_by, created_at) "
        "VALUES ($1, $2::jsonb, $3, 'waiting', $4, $5) RETURNING id",
        actor.company_id, json.dumps(reckoning.kept_policy(policy)), actor.currency, actor.user_id, now,
    )  # fmt: skip
    await enqueue(session, RUN_ADVICE, {"run_id": str(made), "company_id": str(actor.company_id)})
    return made


async def make_advice(database: Database, *, run_id: UUID, company_id: UUID, clock: Callable[[], datetime]) -> None:
    """Reckons a run and lands it. What it cannot be made of ends it as 'failed' with the words; done twice, it does nothing twice."""
    tenant = Tenant(company_id)
    async with database.write(tenant) as session:
        found = await queries.run_for_update(session, company_id, run_id)
        if found.state in ("done", "failed"):
            return
        if found.attempt >= MOST_ATTEMPTS:
            words = f"The worker broke off {MOST_ATTEMPTS} times before this run had ended: see its log, then start another one."
            await _fail(session, found, words, clock())
            return
        await execute(
            session,
            "UPDATE advice_run SET state = 'running', attempt = attempt + 1, stage = 'Reading stock', done = 0, total = 0 WHERE id = $1 AND company_id = $2",
            run_id, company_id,
        )  # fmt: skip
        found = await queries.run(session, company_id, run_id)
    try:
        await _Reckoning(database, tenant, found, clock).carry_out()
    except DomainError as error:
        if error.kind is Kind.BUSY:
            raise  # the queue tries again
        async with database.write(tenant) as session:
            await _fail(session, found, error.message, clock())
    except Exception:
        # Nobody should wait for what will not come; the cause is the log's.
        async with database.write(tenant) as session:
            await _fail(
                session,
                found,
                "Something went wrong that is no fault of your data. The operator's log says what.",
                clock(),
            )
        raise


async def _fail(session: WriteSession, found: RunRow, words: str, now: datetime) -> None:
    await execute(
        session,
        "UPDATE advice_run SET state = 'failed', error = $3, finished_at = $4 WHERE id = $1 AND company_id = $2 "
        "AND state IN ('waiting', 'running') AND attempt = $5",
        found.id, found.company_id, words, now, found.attempt,
    )  # fmt: skip


class _Reckoning:
    """One attempt at a run."""

    def __init__(self, database: Database, tenant: Tenant, run: RunRow, clock: Callable[[], datetime]) -> None:
        self._database, self._tenant, self._run, self._clock = database, tenant, run, clock
        self._policy = reckoning.policy_from(run.policy)

    async def carry_out(self) -> None:
        stock, raw, replaced_by = await self._read()
        old, carries = await asyncio.to_thread(reckoning.chains, raw, replaced_by)
        slices = [slice(start, start + CHUNK) for start in range(0, len(stock.parts), CHUNK)]
        tidied = await self._each("Looking at demand", slices, lambda at: reckoning.tidy(raw[at]))
        counts, marks = [t[0] for t in tidied], [t[1] for t in tidied]
        columns: Columns | None = None
        odd = np.concatenate(marks) if marks else np.zeros(0, np.int64)
        odd[old] |= reckoning.Mark.REPLACED
        odd[carries] |= reckoning.Mark.POOLED
        if (stock.units > 0).any():
            catalogue, choice = await asyncio.to_thread(reckoning.study, raw, counts)

            def decide(at: slice) -> Columns:
                return reckoning.reckon(stock, at, raw, old, odd, catalogue, choice, self._policy)

            columns = reckoning.together(await self._each("Deciding", slices, decide))
            await self._say("The largest exactly", 0, 0)
            pieces = reckoning.most_money(columns, self._policy, _AT_ONCE)
            await asyncio.gather(*(asyncio.to_thread(reckoning.exactly, columns, at, self._policy) for at in pieces))
        if columns is None or not len(columns["stock"]):
            raise conflict(
                "advice.no_stock",
                "There is no free stock of your own to advise on: import a stock file first. Units that are reserved, on offer or under an agreement are not free.",
            )
        summed = await asyncio.to_thread(reckoning.totals, columns, choice)
        await self._write(columns, summed | {"histories": int((odd & reckoning.Mark.NO_HISTORY == 0).sum())})

    async def _read(self) -> tuple[Stock, Spread, dict[int, int]]:
        company = self._run.company_id
        async with self._database.write(self._tenant) as session:
            await be_patient(session)
            await execute(session, "SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true)")
            files = await queries.counting_files(session, company)
            rows: list[npt.NDArray[Any]] = []
            await queries.copy_stock(session, company, self._run.currency, [f.id for f in files], rows.append)
            stock = _stock(rows)
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
            return stock, raw, {}
        before, after = (reckoning.places(stock.parts, ids([p[n] for p in pairs])) for n in (0, 1))
        both = (before >= 0) & (after >= 0)
        return stock, raw, dict(zip(before[both].tolist(), after[both].tolist(), strict=True))

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

    async def _write(self, columns: Columns, summed: dict[str, Any]) -> None:
        size = len(columns["stock"])
        await self._say("Writing", 0, size)
        names = [name for name, _ in FIELDS]
        async with self._database.write(self._tenant) as session:
            await be_patient(session)
            locked = await queries.run_for_update(session, self._run.company_id, self._run.id)
            if locked.state != "running" or locked.attempt != self._run.attempt:
                return  # another worker has it by now
            raw = await driver(session)
            for start in range(0, size, CHUNK):
                some = {name: c[start : start + CHUNK] for name, c in columns.items()}
                data = packed(FIELDS, {"run_id": same(self._run.id, len(some["stock"])), **some})
                await raw.copy_to_table(
                    "advice_stage", source=_pieces(data), columns=names, format="binary", timeout=600
                )
            listed = ", ".join(names)
            await execute(
                session,
                f"INSERT INTO advice_row (company_id, {listed}) SELECT $2::uuid, {listed} FROM advice_stage WHERE run_id = $1",
                self._run.id, self._run.company_id,
            )  # fmt: skip
            await execute(session, "DELETE FROM advice_stage WHERE run_id = $1", self._run.id)
            await execute(
                session,
                "UPDATE advice_run SET state = 'done', stage = '', done = $3, total = $3, totals = $4::jsonb, finished_at = $5 WHERE id = $1 AND company_id = $2",
                self._run.id, self._run.company_id, size, json.dumps(summed), self._clock(),
            )  # fmt: skip
            await execute(session, "ANALYZE advice_row (run_id, advice, class)")


def _stock(rows: list[npt.NDArray[Any]]) -> Stock:
    if not rows:
        return Stock(ids([]), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.bool_))
    order = np.argsort(parts := np.concatenate([r["part"] for r in rows]), kind="stable")

    def column(name: str, kind: type) -> npt.NDArray[Any]:
        return np.concatenate([r[name] for r in rows])[order].astype(kind)

    return Stock(
        parts[order], column("units", np.float64), column("cost", np.float64), column("protected", np.bool_), column("foreign", np.bool_)
    )  # fmt: skip


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]

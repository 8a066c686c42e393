"""Engines, typed sessions, the tenant, and committing before the response.

A request has one session and one transaction. The tenant is set by one function in the transaction itself
(``set_config(..., true)``), so that a pooled connection can never carry it over.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from marketplace.kit.errors import DomainError, busy, invalid


@dataclass(frozen=True, slots=True)
class Tenant:
    """On whose behalf a transaction reads and writes.

    ``company``: the acting company. ``sources_for``: makers that let this company source their parts.
    """

    company: UUID | None
    sources_for: tuple[UUID, ...] = ()


NOBODY = Tenant(None)
_SET_TENANT = "SELECT set_config('app.company', $1, true), set_config('app.sources_for', $2, true)"
_SET_TENANT_READ_ONLY = _SET_TENANT + ", set_config('transaction_read_only', 'on', true)"


def _tenant_values(tenant: Tenant) -> tuple[str, str]:
    company = str(tenant.company) if tenant.company else ""
    return company, "{" + ",".join(map(str, tenant.sources_for)) + "}" if tenant.sources_for else ""


class ReadSession(AsyncSession):
    """A session whose transaction is read only: PostgreSQL itself refuses a write."""

    read_only = True

    @property
    def tenant(self) -> Tenant:
        """On whose behalf this session works."""
        return cast("Tenant", self.info.get("tenant", NOBODY))


class WriteSession(ReadSession):
    """A session that may write. Everything it did becomes visible at once, or not at all."""

    read_only = False


@event.listens_for(Session, "after_begin")
def _set_tenant(session: Session, _transaction: object, connection: Any) -> None:
    """The one place that tells PostgreSQL who the tenant is when a transaction begins."""
    tenant = session.info.get("tenant", NOBODY)
    statement = _SET_TENANT_READ_ONLY if session.info.get("read_only") else _SET_TENANT
    connection.exec_driver_sql(statement, _tenant_values(tenant))


async def become(session: ReadSession, tenant: Tenant) -> None:
    """Makes ``tenant`` the one on whose behalf the rest of this transaction runs."""
    session.info["tenant"] = tenant
    await (await driver(session)).execute(_SET_TENANT, *_tenant_values(tenant))


@contextlib.asynccontextmanager
async def acting_for(session: ReadSession, company: UUID) -> AsyncIterator[None]:
    """Runs a block on behalf of another company whose standing offer or signature allows just this step (a
    buyer's order reserves the seller's units). Used by services only; a test lists every place."""
    before = session.tenant
    if before == Tenant(company):
        yield
        return
    await become(session, Tenant(company))
    try:
        yield
    finally:
        # After an error the transaction is lost anyway and PostgreSQL would refuse the statement.
        session.info["tenant"] = before
        with contextlib.suppress(asyncpg.InFailedSQLTransactionError, asyncpg.InterfaceError, exc.InvalidRequestError):
            await become(session, before)


async def driver(session: AsyncSession) -> asyncpg.Connection:
    """The asyncpg connection inside this session's running transaction, for hot paths and COPY.

    The transaction is begun first: work on the raw connection before BEGIN would survive a rollback.
    """
    # Asked for before every statement of a hot path: once a transaction is enough. A savepoint is one of its own: it is set when
    # the session is asked for the connection, and whoever went past the session would write before it.
    sync = session.sync_session
    running = sync.get_nested_transaction() or sync.get_transaction()
    transaction, known = session.info.get("driver", (None, None))
    if known is not None and transaction is running:
        return cast("asyncpg.Connection", known)
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    session.info["driver"] = (sync.get_nested_transaction() or sync.get_transaction(), raw.driver_connection)
    return cast("asyncpg.Connection", raw.driver_connection)


async def plan_once(session: ReadSession) -> None:
    """For the rest of this transaction PostgreSQL goes by the one plan that it keeps of each statement, instead of planning it anew
    for these values. For work on one part, order or agreement through many statements, whose planning takes longer than they
    do; not for searches over hundreds of numbers, whose best plan depends on them."""
    await execute(session, "SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")


async def be_patient(session: WriteSession) -> None:
    """Lets the rest of this transaction take as long as it takes: work over a whole file is no page."""
    await execute(session, "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)")
    session.info["patient"] = True


_SHORT_LIST = "256kB"
"""How much a text index gathers before it is worked in. Every search reads it from end to end: 4 MB, as PostgreSQL comes, took
5 ms a number."""
_LONG_LIST = "16MB"
"""The same while many rows are written at once: fewer and larger pieces go in at two thirds of the cost."""


async def bulk_texts(session: WriteSession) -> None:
    """For the rest of this transaction text indexes (parts, their numbers) gather much before they work it in; call
    ``texts_done`` after the last of it is written, so that no search is left to read it."""
    await execute(session, f"SET LOCAL gin_pending_list_limit = '{_LONG_LIST}'")


async def texts_done(session: WriteSession) -> None:
    """Works in what text indexes have gathered, and lets them gather little again."""
    await execute(session, "SELECT text_indexes_work_in()")
    await execute(session, f"SET LOCAL gin_pending_list_limit = '{_SHORT_LIST}'")


_DAY = 86_400.0
_GRACE = 5.0
"""Seconds after which a server is no longer waited for that should have given up by itself: it hangs."""


_COPY_SECONDS = 600
_PATIENT_COPY = (
    f"SELECT set_config('statement_timeout', '{_COPY_SECONDS}s', true), set_config('work_mem', '128MB', true), "
    # Each worker would add up the same groups again; and few rows are expected of groups that turn out to be many.
    "set_config('max_parallel_workers_per_gather', '0', true), set_config('enable_nestloop', $1, true)"
)
_PIECE = 1 << 18


def _wait(session: AsyncSession) -> float | None:
    return _DAY if "patient" in session.info else None


class Database:
    """The engine of one role, and its sessions."""

    def __init__(
        self,
        dsn: str,
        *,
        pool_size: int = 10,
        pool_wait_seconds: float = 10.0,
        statement_timeout_ms: int = 15_000,
        application: str = "backstock",
    ) -> None:
        self.dsn = dsn
        self.engine: AsyncEngine = create_async_engine(
            dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_wait_seconds,
            pool_pre_ping=False,
            isolation_level="READ COMMITTED",
            connect_args={
                "server_settings": {
                    "application_name": application,
                    "statement_timeout": str(statement_timeout_ms),
                    "idle_in_transaction_session_timeout": "60000",
                    "lock_timeout": "10000",
                    "TimeZone": "UTC",
                    "gin_pending_list_limit": _SHORT_LIST,
                },
                "timeout": 5,
                "command_timeout": statement_timeout_ms / 1000 + _GRACE,
                "prepared_statement_cache_size": 500,
                # The statement of the calendar has a branch for each kind of thing that is due: planned anew each time, as the driver does
                # with texts of more than 15 kB, it takes ten times as long to plan as to run.
                "max_cacheable_statement_size": 128 * 1024,
                "max_cached_statement_lifetime": 3600,
            },
        )

    def _session(self, kind: type[ReadSession], tenant: Tenant) -> ReadSession:
        info = {"tenant": tenant, "read_only": kind.read_only}
        return kind(self.engine, info=info, expire_on_commit=False, autoflush=False)

    @contextlib.asynccontextmanager
    async def read(self, tenant: Tenant = NOBODY) -> AsyncIterator[ReadSession]:
        """A read-only transaction on behalf of ``tenant``."""
        async with translated(), self._session(ReadSession, tenant) as session:
            try:
                yield session
            except TimeoutError:
                await session.invalidate()
                raise

    @contextlib.asynccontextmanager
    async def write(self, tenant: Tenant = NOBODY) -> AsyncIterator[WriteSession]:
        """A transaction that commits when the block ends well and rolls back when it raises."""
        async with translated(), cast("WriteSession", self._session(WriteSession, tenant)) as session:
            try:
                yield session
            except TimeoutError:
                # The server hangs: a polite rollback would wait for it once more.
                await session.invalidate()
                raise
            except BaseException:
                await session.rollback()
                raise
            await session.commit()

    async def copied(
        self, tenant: Tenant, sql: str, *arguments: object, header: bytes = b"", whole: bool = False
    ) -> AsyncIterator[bytes]:
        """The rows of a statement as CSV, written by PostgreSQL itself, as they come. They go through a file without a
        name: a slow reader holds no connection, and memory stays that of one piece. ``whole``: the statement reads whole
        tables, so that nothing is to be looked up row by row."""
        with tempfile.TemporaryFile() as kept:
            written, more = kept.write(header), asyncio.Event()

            async def keep(piece: bytes) -> None:
                nonlocal written
                kept.seek(written)
                written += kept.write(piece.replace(b"\n", b"\r\n"))
                more.set()

            async def copy() -> None:
                async with self.read(tenant) as session:
                    await execute(session, _PATIENT_COPY, "off" if whole else "on")
                    await (await driver(session)).copy_from_query(
                        sql, *arguments, output=keep, format="csv", timeout=_COPY_SECONDS + _GRACE
                    )

            work = asyncio.create_task(copy())
            work.add_done_callback(lambda _: more.set())
            try:
                read = 0
                while True:
                    more.clear()
                    ended = work.done()
                    kept.seek(read)
                    if piece := kept.read(_PIECE):
                        read += len(piece)
                        yield piece
                    elif ended:
                        break
                    else:
                        await more.wait()
                await work
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def close(self) -> None:
        """Closes every pooled connection."""
        await self.engine.dispose()


@contextlib.asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns outages of the database into refusals that say so; the caller may try again."""
    try:
        yield
    except exc.TimeoutError:
        raise busy("db.pool", "Too many requests at once. Nothing was changed; try again in a moment.") from None
    except (exc.DBAPIError, asyncpg.PostgresError, OSError, asyncpg.InterfaceError) as error:
        refusal = outage(error) or unkeepable(error)
        if refusal is None:
            raise
        raise refusal from error


# SQLSTATE classes that mean "not now", with what to say. Anything else is a defect and stays a 500.
_OUTAGES = {
    "08": ("db.gone", "The database cannot be reached. Nothing was changed; try again in a moment."),
    "53": ("db.resources", "The database is out of space or memory. Nothing was changed; the operator must look."),
    "57": ("db.gone", "The database is restarting or the request took too long. Nothing was changed; try again."),
    "40": ("db.retry", "Two requests met. Nothing was changed; try again."),
    "55": ("db.locked", "Somebody else is changing the same rows. Nothing was changed; try again."),
}


# What a client can bring about by a value that no column takes: too large, no date, no text.
_UNKEEPABLE = frozenset({"22000", "22003", "22007", "22008", "22021", "22P05"})


def unkeepable(error: BaseException) -> DomainError | None:
    """The refusal of a value that PostgreSQL cannot keep, or None when ``error`` is something else. An argument of a
    type that the statement does not expect is a defect of ours, and none of the caller's."""
    original = _original(error)
    if str(getattr(original, "sqlstate", "") or "") not in _UNKEEPABLE or "(expected" in str(original):
        return None
    return invalid("value.unkeepable", "A number, date or text is outside of what can be kept. Nothing was changed.")


def _original(error: BaseException | None) -> BaseException | None:
    while isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return error


def outage(error: BaseException) -> DomainError | None:
    """The refusal for a database outage, or None when ``error`` is not one."""
    original = _original(error)
    state = str(getattr(original, "sqlstate", "") or "")
    if state[:2] in _OUTAGES:
        return busy(*_OUTAGES[state[:2]])
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    # An error about a file names it: that is no outage of the database.
    away = isinstance(original, OSError) and original.filename is None
    if lost or away or isinstance(original, asyncpg.InterfaceError):
        return busy(*_OUTAGES["08"])
    return None


async def fetch(session: AsyncSession, sql: str, *arguments: object) -> Sequence[asyncpg.Record]:
    """Rows of a hand-written statement (``$1`` parameters) inside the session's transaction. A jsonb column comes
    decoded; a jsonb parameter is given as JSON text."""
    return cast(
        "Sequence[asyncpg.Record]", await (await driver(session)).fetch(sql, *arguments, timeout=_wait(session))
    )


async def fetch_one(session: AsyncSession, sql: str, *arguments: object) -> asyncpg.Record | None:
    """The first row, or None."""
    return cast(
        "asyncpg.Record | None", await (await driver(session)).fetchrow(sql, *arguments, timeout=_wait(session))
    )


async def fetch_value(session: AsyncSession, sql: str, *arguments: object) -> Any:
    """The first column of the first row, or None."""
    return await (await driver(session)).fetchval(sql, *arguments, timeout=_wait(session))


async def execute(session: AsyncSession, sql: str, *arguments: object) -> str:
    """Runs a statement; returns PostgreSQL's command tag ('UPDATE 3')."""
    return cast("str", await (await driver(session)).execute(sql, *arguments, timeout=_wait(session)))

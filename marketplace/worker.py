"""Background work: delivers events, ends what has run out. One process, started beside the application."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from marketplace.db.session import Database
from marketplace.jobs.service import run
from marketplace.kit.errors import busy
from marketplace.ledger.service import KeyRing, expire_overdue
from marketplace.ledger.tasks import Sealer, check, is_due
from marketplace.outbox.service import DELIVER, Handler, Listeners, deliver_waiting
from marketplace.settings import Settings

SYSTEM_ACTOR = UUID(int=0)
EVERY_QUARTER_MINUTE = "* * * * * */15"
EVERY_QUARTER_HOUR = "*/15 * * * *"
FIRST_CHECK_SECONDS = 15.0
EVERY_FIVE_MINUTES = "*/5 * * * *"
"""What comes due about the same time is told in one mail."""
EVERY_NIGHT = "43 3 * * *"
"""The watch adds up everything that stands under a right."""


def _now() -> datetime:
    return datetime.now(UTC)


def reactions(database: Database) -> Mapping[str, list[Handler]]:
    """Which reactions that change something listen to which event."""
    from marketplace.listings import tasks as listings
    from marketplace.orders import tasks as orders
    from marketplace.recalls import tasks as recalls
    from marketplace.settlement import tasks as settlement
    from marketplace.sourcing import tasks as sourcing

    return _together(
        listings.listeners(database), orders.listeners(database), settlement.listeners(database), sourcing.listeners(database),
        recalls.listeners(database),
    )  # fmt: skip


def handlers(settings: Settings, database: Database) -> Listeners:
    """Which reactions listen to which event. Those that change something stand before mail, which every event may carry."""
    from marketplace.notifications import tasks as notifications

    return Listeners(reactions(database), (notifications.mailer(settings, database),))


def _together(*listening: Mapping[str, Handler]) -> dict[str, list[Handler]]:
    found: dict[str, list[Handler]] = {}
    for each in listening:
        for name, handler in each.items():
            found.setdefault(name, []).append(handler)
    return found


async def tick(database: Database, now: datetime) -> dict[str, int]:
    """Everything the clock does, once: orders not answered, calls without response, reservations that ran out.
    Late ticks change no outcome: each step acts on the stored deadline, never on when it is looked at."""
    from marketplace.agreements import tasks as agreements
    from marketplace.obligations import tasks as obligations
    from marketplace.orders import tasks as orders
    from marketplace.recalls import tasks as recalls
    from marketplace.resales import tasks as resales
    from marketplace.settlement import tasks as settlement
    from marketplace.sourcing import tasks as sourcing

    async def expire_holds() -> int:
        async with database.write() as session:
            return await expire_overdue(session, actor=SYSTEM_ACTOR, now=now)

    # What goes on again has its deadlines moved before they are looked at. Accepting comes before buying: a worker that was away
    # long finds both due.
    steps: Mapping[str, Callable[[], Awaitable[int]]] = {
        # First of all: nobody waits for it, and it stops what is unsafe.
        "recalls_told": lambda: recalls.tell(database, now),
        "suspensions_ended": lambda: agreements.end_suspensions(database, SYSTEM_ACTOR, now),
        "orders_expired": lambda: orders.expire_unanswered(database, SYSTEM_ACTOR, now),
        "calls_missed": lambda: sourcing.act_on_silence(database, SYSTEM_ACTOR, now),
        "inspections_lapsed": lambda: sourcing.accept_uninspected(database, SYSTEM_ACTOR, now),
        "calls_in_default": lambda: sourcing.act_on_default(database, SYSTEM_ACTOR, now),
        "draws_bought": lambda: sourcing.buy_unreplaced(database, SYSTEM_ACTOR, now),
        "approvals_lapsed": lambda: sourcing.lapse_approvals(database, SYSTEM_ACTOR, now),
        "resales_lapsed": lambda: resales.lapse(database, SYSTEM_ACTOR, now),
        "holds_expired": expire_holds,
        "storage_owed": lambda: settlement.owe_storage(database, now),
        "titles_passed": lambda: agreements.pass_titles(database, SYSTEM_ACTOR, now),
        # What goes on has not ended.
        "agreements_renewed": lambda: agreements.renew(database, SYSTEM_ACTOR, now),
        "units_counted_out": lambda: agreements.count_out(database, SYSTEM_ACTOR, now),
        "shelf_lives_told": lambda: agreements.tell_shelf_lives(database, SYSTEM_ACTOR, now),
        "agreements_ending": lambda: agreements.mark_ends(database, SYSTEM_ACTOR, now),
        "wants_told": lambda: sourcing.tell_wants(database, now),
        "agreements_closed": lambda: obligations.close_run_off(database, SYSTEM_ACTOR, now),
    }
    done: dict[str, int] = {}
    failed: list[Exception] = []
    for name, step in steps.items():
        try:
            done[name] = await step()
        except Exception as error:  # noqa: BLE001 - what is wrong with one step must not stop the clock of the others
            failed.append(error)
    if failed:
        raise ExceptionGroup("steps of the clock failed; the others were done", failed)
    return done


async def work(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """Runs until told to stop (SIGTERM, SIGINT or ``stop``)."""
    if settings.worker_database_url is None:
        raise busy("settings.worker", "Set BACKSTOCK_WORKER_DATABASE_URL, or start with 'backstock demo'.")
    from marketplace.advising import tasks as advising
    from marketplace.imports import tasks as imports
    from marketplace.notifications import tasks as notifications
    from marketplace.obligations import tasks as obligations
    from marketplace.parties import tasks as parties
    from marketplace.watching import tasks as watching

    log = structlog.get_logger("worker")
    ending = stop or asyncio.Event()
    with contextlib.suppress(ValueError, NotImplementedError):
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
    database = Database(settings.worker_database_url, pool_size=4, application="backstock-worker")
    listeners = handlers(settings, database)

    async def deliver(payload: Mapping[str, Any]) -> None:  # noqa: ARG001 - the job says only that something waits
        await deliver_waiting(database, listeners, _now)

    async def scheduled_delivery() -> None:
        await deliver_waiting(database, listeners, _now)

    async def on_tidy() -> None:
        log.info("tidied", rows=await parties.tidy(database, _now()))

    async def on_remind() -> None:
        if told := await obligations.remind(database, _now()):
            log.info("reminded", companies=told)

    async def on_digest() -> None:
        if sent := await notifications.send_digests(database, _now()):
            log.info("digests", sent=sent)

    async def on_watch() -> None:
        if asked := await watching.look_everywhere(database, _now()):
            log.info("watch", companies=asked)

    async def on_check(*, starting: bool = False) -> None:
        # Of its own, like the sealer: what adds up thousands of lots keeps no connection from the clock.
        checking = Database(
            settings.worker_database_url or "", pool_size=1, application="backstock-checks", statement_timeout_ms=60_000
        )
        try:
            if starting and not await is_due(checking, _now()):
                return
            await check(checking, KeyRing(settings.data_dir), _now(), settings.operator_addresses)
        finally:
            await checking.close()

    async def first_check() -> None:
        # Whoever starts the worker need not wait for the quarter of the hour; the sealer has begun by then.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), FIRST_CHECK_SECONDS)
            return
        try:
            await on_check(starting=True)
        except Exception:
            log.exception("the first check did not end; the next one comes with the quarter of the hour")

    async def on_prices() -> None:
        await imports.prices_of_the_day(database, _now())

    async def on_tick() -> None:
        done = {k: v for k, v in (await tick(database, _now())).items() if v}
        if done:
            log.info("tick", **done)

    log.info("worker started")
    # A connection of its own: sealing waits for nobody, and nobody for it.
    sealing = Database(
        settings.worker_database_url, pool_size=1, application="backstock-sealer", statement_timeout_ms=60_000
    )
    sealer = asyncio.create_task(Sealer(sealing, KeyRing(settings.data_dir), settings.base_url).run(_now, ending))
    checking = asyncio.create_task(first_check())
    try:
        await run(
            settings.worker_database_url,
            {
                DELIVER: deliver,
                **imports.jobs(database, settings.data_dir),
                **parties.jobs(database),
                **advising.jobs(database, settings.data_dir),
                **watching.jobs(database, _now),
            },
            {
                "clock.tick": (EVERY_QUARTER_MINUTE, on_tick),
                "ledger.check": (EVERY_QUARTER_HOUR, on_check),
                "imports.prices": (EVERY_QUARTER_HOUR, on_prices),
                "notifications.digest": (EVERY_FIVE_MINUTES, on_digest),
                "obligations.remind": (EVERY_FIVE_MINUTES, on_remind),
                "outbox.sweep": ("* * * * *", scheduled_delivery),
                "parties.tidy": ("17 * * * *", on_tidy),
                "watching.look": (EVERY_NIGHT, on_watch),
            },
            stop=ending,
        )
    finally:
        ending.set()
        await sealer
        await checking
        await sealing.close()
        await database.close()
        log.info("worker stopped")

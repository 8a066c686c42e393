"""How many statements something sends to the database: the one way in which tests count them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from marketplace.db.session import Database

# A new connection asks once what types there are, with the compiler of queries switched off meanwhile: the driver's
# questions, not the application's.
_DRIVERS = re.compile(r"pg_type|set_config\('jit'")


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that the application sends while the block runs, BEGIN and its like left out."""
    sent: list[str] = []

    def log(record: LoggedQuery) -> None:
        if not _DRIVERS.search(record.query) and not re.match(r"\s*(BEGIN|COMMIT|ROLLBACK|SET LOCAL)", record.query):
            sent.append(record.query)

    def out(connection: Any, _record: object, _proxy: object) -> None:
        connection.driver_connection.add_query_logger(log)

    def back(connection: Any, _record: object) -> None:
        connection.driver_connection.remove_query_logger(log)

    pool = database.engine.sync_engine
    event.listen(pool, "checkout", out)
    event.listen(pool, "checkin", back)
    try:
        yield sent
    finally:
        event.remove(pool, "checkout", out)
        event.remove(pool, "checkin", back)

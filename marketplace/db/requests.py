"""Sessions for requests: opened and closed around the endpoint, committed before the response is sent.

``scope="function"`` matters: FastAPI runs the exit code of a default-scope dependency after the response, and a
failed commit would then follow a 2xx. Streams that outlive the endpoint open their own read session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Request

from marketplace.db.session import Database, ReadSession, WriteSession


def database(request: Request) -> Database:
    """The database of the running application."""
    return cast("Database", request.app.state.db)


async def _read(request: Request) -> AsyncIterator[ReadSession]:
    async with database(request).read() as session:
        yield session


async def _write(request: Request) -> AsyncIterator[WriteSession]:
    async with database(request).write() as session:
        yield session


Reading = Annotated[ReadSession, Depends(_read, scope="function")]
Writing = Annotated[WriteSession, Depends(_write, scope="function")]

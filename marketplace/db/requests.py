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


def page_secret(request: Request) -> str:
    """What signs the bookmarks of pages: the operator's key, else one of this process."""
    return cast("str", request.app.state.settings.signing_key)


Reading = Annotated[ReadSession, Depends(_read, scope="function")]
Writing = Annotated[WriteSession, Depends(_write, scope="function")]
PageSecret = Annotated[str, Depends(page_secret)]
"""What signs the bookmarks of pages (kit.pages)."""

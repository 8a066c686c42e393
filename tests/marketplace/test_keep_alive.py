"""A defect is answered, and the connection it came over goes on to serve."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from fastapi import FastAPI

from marketplace.app import create_app, finish
from marketplace.db.session import Database
from marketplace.settings import Settings
from web.app import create_web


def site(db: Database, *, pages: bool) -> FastAPI:
    """The application with one route that is broken."""
    app = create_app(Settings(), database=db)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a defect")

    if pages:
        create_web(app)
    return finish(app)


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One HTTP answer: its status and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
    return int(head.split()[1]), await reader.readexactly(length)


@pytest.mark.parametrize("pages", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_defect_does_not_break_the_connection(db: Database, pages: bool) -> None:
    server = uvicorn.Server(
        uvicorn.Config(site(db, pages=pages), port=0, log_level="critical", lifespan="off", log_config=None)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - the server says it in no other way
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for path, status in (("/broken", 500), ("/healthz", 200), ("/broken", 500), ("/healthz", 200)):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n\r\n".encode())
            found, body = await asyncio.wait_for(answer_of(reader), 10)
            assert found == status, body
            if status == 500:
                assert b"internal" in body or b"server.error" in body
                assert b"a defect" not in body
    finally:
        writer.close()
        server.should_exit = True
        await running

"""Browsers of the people of ``tests.marketplace.main_job.Job``: the same world, seen through the pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from html import unescape

import httpx
from fastapi import FastAPI

from tests.clients import token_for
from tests.marketplace.main_job import Job
from tests.web.trade import HTML, site_for
from tests.world import Party, World


@dataclass
class Site:
    """The pages on a world, and the job behind it."""

    world: World
    app: FastAPI
    job: Job
    stack: AsyncExitStack

    async def browser(self, party: Party, role: str) -> httpx.AsyncClient:
        """A browser of somebody who is signed in."""
        token = await token_for(self.world.owner, party.users[role], party.id)
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(
            transport=transport, base_url="http://backstock.test", headers=HTML, cookies={"backstock_session": token}
        )
        return await self.stack.enter_async_context(client)

    async def number(self) -> str:
        """The number of the world's part."""
        return str(await self.world.owner.fetchval("SELECT number FROM part WHERE id = $1", self.world.part))


@asynccontextmanager
async def open_site(world: World) -> AsyncIterator[Site]:
    """The whole application over the test database, with a job that has begun."""
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        yield Site(world, site_for(world.db), job, stack)


def fields_of(html: str, action: str) -> dict[str, str]:
    """The fields of the form with this action, as a browser would send them when nothing is changed."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', html, re.DOTALL)
    assert form, f"no form to {action}"
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        kind = re.search(r'type="([^"]*)"', tag)
        if not name or (kind and kind[1] in {"checkbox", "radio"} and " checked" not in tag):
            continue
        found[name[1]] = unescape(value[1]) if value else ""
    for name, body in re.findall(r'<select[^>]*name="([^"]*)".*?>(.*?)</select>', form[0], re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body) or re.search(r'<option value="([^"]*)"', body)
        found[name] = unescape(chosen[1]) if chosen else ""
    for name, body in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', form[0], re.DOTALL):
        found[name] = unescape(body)
    return found


async def send(client: httpx.AsyncClient, action: str, page: httpx.Response, **changed: str) -> httpx.Response:
    """Sends a form of a page with some fields changed."""
    return await client.post(action, data={**fields_of(page.text, action), **changed})

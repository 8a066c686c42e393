"""No link of a page leads its reader to a refusal: each person of the demo follows the links from one page to the
next, as far as a bounded number of pages goes."""

from __future__ import annotations

import re
from collections import Counter, deque
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.demo_site import DemoSite

PASSWORD = "backstock-demo"
MOST_PAGES = 150
MOST_ALIKE = 4
"""Pages whose addresses differ in ids and values only."""
PEOPLE = (
    "planner@northfield.example",
    "technician@northfield.example",
    "auditor@northfield.example",
    "admin@northfield.example",
    "buyer@lone-mesquite.example",
    "warehouse@lone-mesquite.example",
    "technician@ridgeline.example",
)
LINK = re.compile(r'<a\b[^>]*?\bhref="([^"#]+)')
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")
"""A calendar leads from each month to the next one, for ever."""


def alike(address: str) -> str:
    """The shape of an address: its path without ids and the names of its parameters, the values of the short ones, all dates
    being alike."""
    parts = urlsplit(address)
    query = sorted(p if len(p) < 24 else p.partition("=")[0] for p in parts.query.split("&") if p)
    return ID.sub("*", parts.path) + "?" + DATE.sub("*", "&".join(query))


@pytest.mark.parametrize("email", PEOPLE)
async def test_links_lead_to_pages(demo: DemoSite, email: str) -> None:
    async with httpx.AsyncClient(base_url=demo.url, headers={"accept": "text/html"}, timeout=30) as client:
        signed = await client.post("/sign-in", data={"email": email, "password": PASSWORD})
        assert signed.status_code == 303, signed.text
        seen, shapes, wrong = {"/"}, Counter[str](), []
        waiting, opened = deque([("/", "")]), 0
        while waiting and opened < MOST_PAGES:
            address, origin = waiting.popleft()
            opened += 1
            page = await client.get(address, follow_redirects=True)
            if page.status_code >= 400 or page.url.path == "/sign-in":
                said = re.sub(r"<[^>]+>|\s+", " ", page.text.partition("<main")[2])
                wrong.append(f"{page.status_code} {address} from {origin}: {' '.join(said.split())[:200]}")
                continue
            if "text/html" not in page.headers["content-type"]:
                continue
            if "Not everything in this address is known" in page.text:
                wrong.append(f"{address} from {origin} names what its own page does not know")
            for href in LINK.findall(page.text):
                link = urljoin(str(page.url), unescape(href))
                parts = urlsplit(link)
                if parts.netloc != urlsplit(demo.url).netloc or parts.path.startswith(("/static/", "/api/")):
                    continue
                shape = alike(link)
                if link in seen or shapes[shape] >= MOST_ALIKE:
                    continue
                seen.add(link)
                shapes[shape] += 1
                waiting.append((link.removeprefix(demo.url), address))
        assert not wrong, "\n".join(wrong)
        assert opened > 20

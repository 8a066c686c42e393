"""A real browser for tests: fixtures to open pages in any size and theme, and checks that every page must pass.

Chromium is Debian's (``chromium`` on the path, or BACKSTOCK_CHROMIUM). Pages run under the site's own strict CSP,
so wait for elements, never with wait_for_function (it evaluates text inside the page).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal
from urllib.parse import urljoin

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright, expect

# What a page shows comes later on a machine that runs other tests beside: five seconds, the usual, were not always enough.
expect.set_options(timeout=20_000)
Theme = Literal["light", "dark"]
DESKTOP, PHONE = (1280, 800), (360, 740)
LOOKS: tuple[tuple[tuple[int, int], Theme], ...] = ((DESKTOP, "light"), (PHONE, "dark"))
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WITHOUT_GRAPHICS = ("--disable-gpu", "--disable-gpu-compositing")
"""A machine without a graphics card draws every page as if it had one otherwise: that took a third of these tests' time."""
WITH_MAPS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""The map needs WebGL2, drawn in software: for tests marked ``maps``."""
SCREENSHOTS = os.environ.get("BACKSTOCK_SCREENSHOTS")


def chromium() -> str | None:
    """The browser's path, or None where there is none."""
    return os.environ.get("BACKSTOCK_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Opened:
    """A page and what went wrong on it: console errors (CSP violations among them), exceptions, failed requests."""

    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def watch(self) -> None:
        """Starts to write down faults and sizes."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("requestfinished", lambda request: self.requests.append(request))  # noqa: PLW0108 (playwright marks handlers)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        # What a script dropped for something newer, or what ended because the page was left, is no fault: nobody waits for
        # it (the preview of terms, when the form is sent while it is still asked for). What is not there is no abort.
        if request.failure != "net::ERR_ABORTED" or request.resource_type == "document":
            self.faults.append(f"failed: {request.url} {request.failure}")

    async def transferred(self) -> dict[str, int]:
        """Bytes over the wire by address, headers included, of what has been loaded so far."""
        sizes = {request.url: await request.sizes() for request in self.requests}
        return {url: size["responseBodySize"] + size["responseHeadersSize"] for url, size in sizes.items()}


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for the session; without Chromium the test is skipped, in CI (CI=1) it fails."""
    async with launched(WITHOUT_GRAPHICS) as running:
        yield running


@pytest.fixture(scope="session")
async def browser_with_maps() -> AsyncIterator[Browser]:
    """As ``browser``; it draws maps."""
    async with launched(WITH_MAPS) as running:
        yield running


@asynccontextmanager
async def launched(more: tuple[str, ...]) -> AsyncIterator[Browser]:
    """Chromium, while the block runs."""
    path = chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium: install Debian's package or set BACKSTOCK_CHROMIUM")
        pytest.skip("no chromium: install Debian's package or set BACKSTOCK_CHROMIUM")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *more])
        yield running
        await running.close()


Serve = Callable[[Any], Awaitable[str]]


@pytest.fixture(scope="session")
async def serve() -> AsyncIterator[Serve]:
    """Serves an ASGI application on a free port of this machine and answers its address; stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(app: Any) -> str:
            return await stack.enter_async_context(serving(app))

        yield start


@asynccontextmanager
async def serving(app: Any, port: int = 0) -> AsyncIterator[str]:
    """The address of the application while the block runs; on a free port, or on one that it had before."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
        config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[free]))
        while not server.started:
            if running.done():
                await running
            await asyncio.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{free.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


OpenPage = Callable[..., Awaitable[Opened]]


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> Browser:
    """The browser that draws maps where a test is marked ``maps``, else the quicker one."""
    maps = request.node.get_closest_marker("maps") is not None
    found: Browser = request.getfixturevalue("browser_with_maps" if maps else "browser")
    return found


@pytest.fixture
async def open_page(chosen: Browser) -> AsyncIterator[OpenPage]:
    """``await open_page(url, size=PHONE, theme="dark", cookies=..., script=True)`` in a context of its own.

    Keeps the faults of each page; closes everything after the test.
    """
    contexts: list[BrowserContext] = []

    async def open_it(
        url: str,
        *,
        size: tuple[int, int] = DESKTOP,
        theme: Theme = "light",
        cookies: dict[str, str] | None = None,
        script: bool = True,
    ) -> Opened:
        context = await chosen.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            java_script_enabled=script,
            has_touch=size[0] < 768,
            reduced_motion="reduce",
        )
        contexts.append(context)
        if cookies:
            # For the whole site: a cookie for a deep address would hold only below it.
            site = urljoin(url, "/")
            await context.add_cookies([{"name": k, "value": v, "url": site} for k, v in cookies.items()])
        opened = Opened(await context.new_page())
        opened.watch()
        await opened.page.goto(url, wait_until="networkidle")
        # On a busy machine a page that is not the one in front gets no keys.
        await opened.page.bring_to_front()
        return opened

    yield open_it
    for context in contexts:
        # A browser that never answers is an error of this test, not the end of the whole run.
        async with asyncio.timeout(60):
            await context.close()


async def assert_accessible(page: Page, *, exclude: tuple[str, ...] = ()) -> None:
    """axe finds no violation of WCAG 2.2 A and AA or its best practices; names each with its elements."""
    # Half a megabyte, once for each page and not for each look.
    if not await page.evaluate("() => 'axe' in window"):
        source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
        await page.evaluate(source)
    found = await page.evaluate(
        """(exclude) => axe.run({exclude: exclude.map((s) => [s])}, {resultTypes: ["violations"],
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})""",
        list(exclude),
    )
    problems = [
        f"{v['id']} ({v['impact']}): {v['help']}\n    "
        + "\n    ".join(f"{node['target']}: {node['failureSummary']}" for node in v["nodes"][:5])
        for v in found["violations"]
    ]
    assert not problems, "\n".join(problems)


WIDTHS = (320, 576, 768, 900, 1024, 1100, 1260, 1366, 1500, 1900)
"""The narrowest of every range between two breaks of the layout: what fits there fits where it is wider."""


async def looks_right(page: Page, name: str, *, exclude: tuple[str, ...] = ()) -> None:
    """axe, width and targets on a desktop in light and on a phone in the dark; then a desktop again."""
    for size, theme in LOOKS:
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await assert_fits(page)
        await assert_accessible(page, exclude=exclude)
        if size is PHONE:
            await assert_touchable(page)
        await screenshot(page, f"{name}-{theme}-{size[0]}")
    await page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")


async def assert_fits_everywhere(page: Page) -> None:
    """``assert_fits`` at every width; leaves the page at the last one."""
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        await assert_fits(page)


async def assert_fits(page: Page) -> None:
    """Nothing makes the page itself scroll sideways; names the elements that stick out."""
    sticking = await page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
            [innerWidth, document.documentElement.scrollWidth, ...[...document.querySelectorAll("body *")]
              .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
              .slice(0, 8).map((e) => `${e.tagName}.${e.className}`)]"""
    )
    assert not sticking, sticking
    # Nothing of a table is scrolled out of sight, cut off by its cell, or lies under a cell that stays put.
    lost = await page.evaluate(
        """() => {
            const found = [];
            const seen = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 0;
            for (const box of document.querySelectorAll(".table-box")) {
                if (seen(box) && innerWidth >= 1024 && box.scrollWidth > box.clientWidth + 1)
                    found.push([innerWidth, "scrolls", box.getAttribute("aria-label"), box.scrollWidth, box.clientWidth]);
            }
            for (const row of document.querySelectorAll(".data tr")) {
                const cells = [...row.cells].filter(seen);
                const sticky = cells.filter((c) => getComputedStyle(c).position === "sticky");
                for (const cell of cells) {
                    if (cell.closest("thead") && getComputedStyle(cell.closest("thead")).position === "absolute") continue;
                    if (cell.scrollWidth > cell.clientWidth + 1 && !cell.querySelector(":scope > .visually-hidden:only-child"))
                        found.push([innerWidth, "cut", cell.dataset.label ?? cell.className, cell.innerText.slice(0, 40)]);
                    const text = document.createRange();
                    text.selectNodeContents(cell);
                    const at = text.getBoundingClientRect();
                    for (const over of sticky) {
                        const by = over.getBoundingClientRect();
                        if (over !== cell && at.width && at.right > by.left + 1 && at.left < by.right - 1)
                            found.push([innerWidth, "covered", cell.dataset.label ?? cell.className, cell.innerText.slice(0, 40)]);
                    }
                }
            }
            return found.slice(0, 8);
        }"""
    )
    assert not lost, lost


async def assert_touchable(page: Page) -> None:
    """On a phone every button, field and navigation link is at least 44 px high or wide enough to hit (24 px spare)."""
    small = await page.evaluate(
        """() => [...document.querySelectorAll("main .btn, main .form-control, main .form-select, .bottom-link, .top summary, .top button")]
            .filter((e) => e.checkVisibility() && !e.closest(".menu-panel"))
            .map((e) => [(e.className || e.tagName) + " " + e.textContent.trim().slice(0, 40), Math.round(e.getBoundingClientRect().height)])
            .filter(([, height]) => height < 40)"""
    )
    assert not small, small


async def screenshot(page: Page, name: str) -> None:
    """A picture of the whole page in the folder BACKSTOCK_SCREENSHOTS, where that is set."""
    if SCREENSHOTS:
        await page.screenshot(path=f"{SCREENSHOTS}/{name}.png", full_page=True)

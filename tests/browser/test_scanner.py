"""The scanner reads a code from a camera picture, with the WebAssembly reader of this site and no other host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import segno
from fastapi import FastAPI
from playwright.async_api import BrowserContext, async_playwright

from tests.browser.conftest import ARGUMENTS, Opened, Serve, chromium
from web.app import create_web

NUMBER = "2520-01-196-3871"
WIDTH, HEIGHT = 640, 480


def film(path: Path) -> None:
    """A YUV4MPEG2 film of a QR code that stands still: what Chromium's pretended camera plays."""
    modules = [list(row) for row in segno.make_qr(NUMBER).matrix_iter(scale=10, border=4)]
    top, left = (HEIGHT - len(modules)) // 2, (WIDTH - len(modules[0])) // 2
    luma = bytearray(b"\xeb" * WIDTH * HEIGHT)
    for y, row in enumerate(modules):
        for x, dark in enumerate(row):
            if dark:
                luma[(top + y) * WIDTH + left + x] = 16
    frame = b"FRAME\n" + bytes(luma) + b"\x80" * (WIDTH * HEIGHT // 2)
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420\n".encode() + frame * 5)


@pytest.fixture
async def camera(tmp_path: Path) -> AsyncIterator[BrowserContext]:
    path = chromium()
    if path is None:
        pytest.skip("no chromium: install Debian's package or set BACKSTOCK_CHROMIUM")
    film(tmp_path / "code.y4m")
    fake = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'code.y4m'}",
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *fake])
        yield await browser.new_context(permissions=["camera"])
        await browser.close()


async def test_a_code_is_read_and_searched_for(camera: BrowserContext, serve: Serve) -> None:
    app = FastAPI(docs_url=None, redoc_url=None)
    create_web(app)
    site = await serve(app)
    opened = Opened(await camera.new_page())
    opened.watch()
    await opened.page.goto(site + "/styleguide")
    async with opened.page.expect_request("**/find?**", timeout=20_000) as searched:
        await opened.page.get_by_role("button", name="Start the camera").click()
    assert (await searched.value).url == f"{site}/find?q={NUMBER}"
    assert any("zxing_reader.wasm" in request.url for request in opened.requests)
    assert all(request.url.startswith((site, "data:", "blob:")) for request in opened.requests)
    assert not [fault for fault in opened.faults if "Content Security Policy" in fault]

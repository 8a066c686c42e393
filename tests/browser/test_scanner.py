"""The scanner reads a code from a camera picture, with the WebAssembly reader of this site and no other host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from playwright.async_api import BrowserContext, async_playwright

from marketplace.parts.labels import read
from tests.browser.conftest import ARGUMENTS, WITHOUT_GRAPHICS, Opened, Serve, chromium
from tests.codes import data_matrix, film
from web.app import create_web

LABEL = "(01)09521234543213(240)4711-9(21)A7"


@pytest.fixture
async def camera(tmp_path: Path) -> AsyncIterator[BrowserContext]:
    path = chromium()
    if path is None:
        pytest.skip("no chromium: install Debian's package or set BACKSTOCK_CHROMIUM")
    film(tmp_path / "code.y4m", data_matrix(LABEL))
    fake = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'code.y4m'}",
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *WITHOUT_GRAPHICS, *fake])
        yield await browser.new_context(permissions=["camera"])
        await browser.close()


async def test_a_data_matrix_of_gs1_is_read_and_searched_for(camera: BrowserContext, serve: Serve) -> None:
    app = FastAPI(docs_url=None, redoc_url=None)
    create_web(app)
    site = await serve(app)
    opened = Opened(await camera.new_page())
    opened.watch()
    await opened.page.goto(site + "/styleguide")
    async with opened.page.expect_request("**/find?**", timeout=20_000) as searched:
        await opened.page.get_by_role("button", name="Start the camera").click()
    asked = parse_qs(urlsplit((await searched.value).url).query)["q"][0]
    assert read(asked) == read(LABEL), "number and serial as the plate has them"
    assert any("zxing_reader.wasm" in request.url for request in opened.requests)
    assert all(request.url.startswith((site, "data:", "blob:")) for request in opened.requests)
    assert not [fault for fault in opened.faults if "Content Security Policy" in fault]

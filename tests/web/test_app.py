"""The web application over HTTP: static files, headers, the theme, error pages beside the API's own errors."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from jinja2 import UndefinedError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from marketplace.kit.errors import DomainError, FieldError, busy, conflict, invalid_fields, missing, unauthenticated
from web.app import create_web
from web.assets import Assets
from web.headers import CONTENT_SECURITY_POLICY
from web.rendering import environment, icon, icon_names, render, static_url

HTML = {"accept": "text/html"}


def make_app() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, redirect_slashes=False)

    async def as_json(_: Request, error: DomainError) -> Response:
        return JSONResponse({"code": error.code}, 418)

    app.add_exception_handler(DomainError, as_json)  # type: ignore[arg-type]

    errors: dict[str, Exception] = {
        "conflict": conflict("orders.sold_out", "6 of the 10 units are left."),
        "missing": missing("parts.unknown", "No such part."),
        "sign-in": unauthenticated("session.none", "Sign in."),
        "busy": busy("limit", "Too many.", retry_after_seconds=7),
        "fields": invalid_fields("order.bad", "It does not fit.", (FieldError("ship_to", "x", "<b>Where?</b>"),)),
        "broken": RuntimeError("secret detail"),
    }

    @app.get("/fail/{name}")
    @app.get("/api/fail/{name}")
    @app.post("/fail/{name}")
    async def fail(name: str) -> Response:
        raise errors[name]

    create_web(app)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://backstock.test") as client:
        yield client


async def test_a_static_file_is_kept_for_good_under_its_hash(client: httpx.AsyncClient) -> None:
    answer = await client.get(static_url("css/backstock.css"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["content-encoding"] == "gzip"
    again = await client.get(static_url("css/backstock.css"), headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


async def test_a_static_file_without_compression(client: httpx.AsyncClient) -> None:
    zipped = await client.get(static_url("js/app.js"))
    plain = await client.get(static_url("js/app.js"), headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == zipped.content
    assert plain.headers["etag"] != zipped.headers["etag"]


async def test_an_outdated_hash_is_answered_but_not_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/static/000000000000/js/app.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["vendor/update.py", "vendor/build/package.json", "vendor/vendor.toml", "../app.py", "css/none.css", ""]
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/static/000000000000/{name.replace('..', '%2e%2e')}")
    assert answer.status_code == 404


async def test_static_files_cannot_be_written(client: httpx.AsyncClient) -> None:
    assert (await client.post(static_url("js/app.js"))).status_code == 405


def test_the_hash_changes_with_the_content(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "a.css").write_text("a{}")
    before = Assets(folder)
    (folder / "a.css").write_text("b{}")
    after = Assets(folder)
    assert before.version != after.version
    assert before.url("a.css") == f"/static/{before.version}/a.css"
    with pytest.raises(LookupError):
        before.url("b.css")


async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/styleguide", static_url("js/app.js"), "/nowhere", "/fail/broken", "/api/fail/conflict"):
        headers = (await client.get(path, headers=HTML)).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin", path
        assert headers["cache-control"].startswith(("no-store", "private, no-cache", "public, max-age")), path
        assert "strict-transport-security" not in headers, path
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY.split("style-src")[0]


async def test_pages_have_no_inline_script_or_handler(client: httpx.AsyncClient) -> None:
    for path in ("/styleguide", "/styleguide?visitor=1", "/api/docs", "/nowhere"):
        html = (await client.get(path, headers=HTML)).text
        assert all("src=" in tag for tag in re.findall(r"<script\b[^>]*>", html)), path
        assert not re.search(r"<[^>]+\son[a-z]+=", html), path
        assert "javascript:" not in html, path


async def test_pages_are_compressed_and_not_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/styleguide")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert len(gzip.compress(answer.content)) < 20_000


async def test_the_theme_is_kept_in_a_cookie_and_rendered_by_the_server(client: httpx.AsyncClient) -> None:
    assert "data-bs-theme" not in (await client.get("/styleguide")).text.split(">")[1]
    answer = await client.post("/theme", data={"theme": "dark", "next": "/styleguide?visitor=1"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/styleguide?visitor=1"
    assert '<html lang="en" data-bs-theme="dark">' in (await client.get("/styleguide")).text
    away = await client.post("/theme", data={"theme": "auto", "next": "//evil.example"})
    assert away.headers["location"] == "/"
    assert '<html lang="en">' in (await client.get("/styleguide")).text


async def test_a_form_from_another_site_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/theme", data={"theme": "dark"}, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert "sent from another site" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("conflict", 409, "6 of the 10 units are left."),
        ("missing", 404, "No such part."),
        ("busy", 503, "Too many."),
        ("fields", 422, "&lt;b&gt;Where?&lt;/b&gt;"),
    ],
)
async def test_a_refusal_is_a_page_for_people(client: httpx.AsyncClient, name: str, status: int, said: str) -> None:
    answer = await client.get(f"/fail/{name}", headers=HTML)
    assert answer.status_code == status
    assert said in answer.text
    for part in ("What happened", "What was kept", "What to do"):
        assert part in answer.text


async def test_busy_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fail/busy", headers=HTML)).headers["retry-after"] == "7"


async def test_a_failure_tells_nothing_about_its_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fail/broken", headers=HTML)
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "secret detail" not in answer.text


async def test_programs_get_the_answer_of_the_api(client: httpx.AsyncClient) -> None:
    for path, accept in (("/api/fail/conflict", "text/html"), ("/fail/conflict", "application/json")):
        answer = await client.get(path, headers={"accept": accept})
        assert (answer.status_code, answer.json()) == (418, {"code": "orders.sold_out"}), path
    unknown = await client.get("/api/nowhere", headers={"accept": "application/json"})
    assert unknown.json() == {"detail": "Not Found"}


async def test_signing_in_leads_back_to_the_page_but_never_repeats_a_form(client: httpx.AsyncClient) -> None:
    asked = await client.get("/fail/sign-in?a=1&b=2", headers=HTML)
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=/fail/sign-in%3Fa%3D1%26b%3D2")
    sent = await client.post("/fail/sign-in", headers=HTML)
    assert sent.headers["location"] == "/sign-in?why=unsent"


@pytest.mark.parametrize(
    ("typed", "leads_to"),
    [
        ("/styleguide/", "/styleguide"),
        ("/styleguide/?a=1&b=%20", "/styleguide?a=1&b=%20"),
        ("/no where/", "/no%20where"),
        ("/%5Cevil.test/", "/%5Cevil.test"),
        ("http://backstock.test//evil.test/", "/evil.test"),
    ],
)
async def test_a_slash_too_many_stays_on_this_site(client: httpx.AsyncClient, typed: str, leads_to: str) -> None:
    answer = await client.get(typed, headers=HTML | {"host": "evil.test"})
    assert (answer.status_code, answer.headers["location"]) == (307, leads_to)
    assert (await client.post(typed, headers=HTML)).status_code in {404, 405}


async def test_the_visitor_frame_has_no_navigation(client: httpx.AsyncClient) -> None:
    html = (await client.get("/styleguide?visitor=1")).text
    assert 'href="/sign-in"' in html
    assert 'aria-label="Main"' not in html
    assert 'id="search-box"' in html


def test_an_undefined_name_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nobody_gave_this }}").render()


def test_names_in_pages_are_escaped() -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "state": {}})
    page = render(
        request,
        "errors/error.html",
        status=404,
        words=None or type("W", (), {"title": "<i>", "happened": "", "kept": "", "todo": ""})(),
        message="<script>alert(1)</script>",
        code=None,
        fields=(),
        reference=None,
    )
    body = bytes(page.body).decode()
    assert "<script>alert" not in body
    assert "<i>" not in body


def test_icons_come_from_the_sprite() -> None:
    assert "search" in icon_names()
    assert 'aria-hidden="true"' in icon("search")
    assert 'role="img" aria-label="Find &lt;it&gt;"' in icon("search", "Find <it>")
    with pytest.raises(LookupError):
        icon("no-such-icon")


def test_every_icon_and_file_named_in_templates_and_navigation_exists() -> None:
    from web.rendering import TEMPLATES, assets
    from web.shell import NAVIGATION

    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"static_url\('([^']+)'\)", text):
            assert name in assets().names(), (path, name)
    # An icon of a list that is seldom empty, or of a rare step, would fail only before the person who meets it.
    said = re.compile(r'(?:icon_name=|empty_icon=|icon=|\bicon\(|Action\([^,()]+,[^,()]+,)\s*"([a-z0-9-]+)"')
    found = {
        (name, path.name)
        for path in (*TEMPLATES.rglob("*.html"), *TEMPLATES.parent.rglob("*.py"))
        for name in said.findall(path.read_text(encoding="utf-8"))
    }
    assert len(found) > 100
    assert {(name, where) for name, where in found if name not in icon_names()} == set()
    assert {item.icon for item in NAVIGATION} <= icon_names()

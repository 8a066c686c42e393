"""What a phone needs to work without a network: the manifest that installs the site, its service worker, and the page shown instead."""

from __future__ import annotations

from functools import cache
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from web.assets import STATIC_ROOT
from web.rendering import render, static_url

router = APIRouter(include_in_schema=False)
WORKER: Final = "js/service-worker.js"
# Asked for again each time: it decides what everything else is answered with.
_FRESH: Final = {"cache-control": "no-cache"}


@router.get("/service-worker.js")
async def service_worker() -> Response:
    """At the root of the site, since a worker answers only for what lies below it. It names the static files of this deployment, so that
    browsers install it anew with each, and keep the files that the page without a connection needs then."""
    return Response(f"// {static_url(WORKER)}\n{_worker()}", media_type="text/javascript", headers=_FRESH)


@cache
def _worker() -> str:
    return (STATIC_ROOT / WORKER).read_text(encoding="utf-8")


@router.get("/manifest.webmanifest")
async def manifest() -> Response:
    """What the site is called and looks like on a home screen, and what a long press offers."""
    shortcuts = (("Scan", "/scan"), ("Parts requests", "/requests"), ("Orders back", "/calls"))
    return JSONResponse(
        {
            "id": "/", "name": "Backstock", "short_name": "Backstock", "lang": "en", "start_url": "/scan", "scope": "/",
            "display": "standalone", "background_color": "#ffffff", "theme_color": "#0d6a7d",
            "description": "Find a unit across partners and order it back.",
            "icons": [
                {"src": static_url("img/mark.svg"), "sizes": "any", "type": "image/svg+xml"},
                {"src": static_url("img/mark-192.png"), "sizes": "192x192", "type": "image/png"},
                {"src": static_url("img/mark-512.png"), "sizes": "512x512", "type": "image/png"},
                {"src": static_url("img/mark-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
            ],
            "shortcuts": [{"name": name, "url": url} for name, url in shortcuts],
        },
        media_type="application/manifest+json",
        headers=_FRESH,
    )  # fmt: skip


@router.get("/offline")
async def offline(request: Request) -> Response:
    """Nobody's page: what this device has looked up and what waits on it to be sent only the device knows."""
    return render(request, "offline.html")

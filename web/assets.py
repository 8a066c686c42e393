"""Static files under URLs that carry a hash of the whole folder, so that a browser may keep them for good.

One hash stands for the folder, not one for each file: ES modules import each other by relative address and style
sheets name fonts and images the same way, so all of them must move together when any of them changes.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

STATIC_ROOT: Final = Path(__file__).resolve().parent / "static"
PREFIX: Final = "/static"

# What is served, and as what: anything else in the folder (build inputs, Python) is not there for a browser.
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".geojson": "application/geo+json",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
_ALREADY_COMPRESSED: Final = frozenset({".png"})
_FOR_GOOD: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: where it is, what it is, and the SHA-256 of its bytes (hex)."""

    path: Path
    media_type: str
    digest: str
    compressible: bool


class Assets:
    """An ASGI application that serves one folder; the folder is read once, at construction.

    ``/static/<hash of the folder>/<path>`` is answered with a one-year immutable lifetime. An outdated hash is
    answered too (a page opened before a deployment still asks for it), but must be revalidated.
    """

    def __init__(self, root: Path = STATIC_ROOT) -> None:
        self._assets = _scan(root)
        self._gzipped: dict[str, bytes] = {}
        whole = hashlib.sha256()
        for name, asset in sorted(self._assets.items()):
            whole.update(f"{name}\0{asset.digest}\n".encode())
        self.version = whole.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of ``css/backstock.css``; raises LookupError for a file that is not there."""
        if name not in self._assets:
            raise LookupError(f"no static file '{name}'")
        return f"{PREFIX}/{self.version}/{name}"

    def names(self) -> frozenset[str]:
        """The served files, relative to the folder."""
        return frozenset(self._assets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(scope)
        await response(scope, receive, send)

    async def _respond(self, scope: Scope) -> Response:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("Method not allowed", status_code=405, headers={"allow": "GET, HEAD"})
        # A mounted application sees the whole path; what it was mounted under is in root_path.
        path: str = scope["path"]
        path = path.removeprefix(scope.get("root_path", "")).removeprefix(PREFIX).lstrip("/")
        version, _, name = path.partition("/")
        asset = self._assets.get(name)
        if asset is None:
            return PlainTextResponse("Not found", status_code=404)
        request = Headers(scope=scope)
        # An identical body under two encodings needs two validators.
        zipped = asset.compressible and "gzip" in request.get("accept-encoding", "")
        etag = f'"{asset.digest[:32]}{"-gz" if zipped else ""}"'
        headers = {
            "cache-control": _FOR_GOOD if version == self.version else "no-cache",
            "etag": etag,
            "vary": "Accept-Encoding",
        }
        if etag in request.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if zipped:
            headers["content-encoding"] = "gzip"
            body = await self._compressed(name, asset)
        else:
            body = await anyio.to_thread.run_sync(asset.path.read_bytes)
        return Response(body, media_type=asset.media_type, headers=headers)

    async def _compressed(self, name: str, asset: Asset) -> bytes:
        """Gzipped once and kept: the whole folder is under 2 MB compressed."""
        body = self._gzipped.get(name)
        if body is None:
            body = await anyio.to_thread.run_sync(lambda: gzip.compress(asset.path.read_bytes(), 9, mtime=0))
            self._gzipped[name] = body
        return body


def _scan(root: Path) -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is None or not path.is_file() or name.startswith("vendor/build/"):
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[name] = Asset(path, media_type, digest, path.suffix not in _ALREADY_COMPRESSED)
    return found

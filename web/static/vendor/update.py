"""Rebuilds web/static/vendor from the locked npm packages: run it only to change a version.

Usage: python web/static/vendor/update.py

Edit build/package.json, run this, read the diff, run tests/web. The npm client installs the packages of
build/package-lock.json into a temporary folder without running their scripts; the files named below are copied
(Tabler's style sheet is compiled from build/tabler.scss, the icons of build/icons.txt become one sprite), and
vendor.toml is written anew with the version, licence and SHA-256 of each. Needs Node 20 or newer.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit-lockfile-registry-resolved")


@dataclass(frozen=True)
class Package:
    """One npm package: the files taken from it (source in the package -> name here) and its licence text."""

    name: str
    folder: str
    files: dict[str, str]
    licence: str | None
    """Path of the licence text in the package; None when the package ships none (then it is kept here by hand)."""


PACKAGES = (
    Package("@alpinejs/csp", "alpinejs-csp", {"dist/module.esm.min.js": "alpine.js"}, None),
    Package("@tabler/core", "tabler", {}, None),
    Package("@tabler/icons", "tabler-icons", {}, "LICENSE"),
    Package(
        "barcode-detector",
        "barcode-detector",
        {"dist/es/ponyfill.js": "ponyfill.js", "dist/es/zxing-exported.js": "zxing-exported.js"},
        "LICENSE",
    ),
    Package("htmx.org", "htmx", {"dist/htmx.min.js": "htmx.js"}, "LICENSE"),
    Package(
        "maplibre-gl",
        "maplibre-gl",
        {
            "dist/maplibre-gl.mjs": "maplibre-gl.mjs",
            "dist/maplibre-gl-worker.mjs": "maplibre-gl-worker.mjs",
            "dist/maplibre-gl.css": "maplibre-gl.css",
        },
        "LICENSE.txt",
    ),
    Package(
        "swagger-ui-dist",
        "swagger-ui",
        {name: name for name in ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "NOTICE")},
        "LICENSE",
    ),
    Package("topojson-client", "topojson-client", {"dist/topojson-client.min.js": "topojson-client.js"}, "LICENSE"),
    Package("us-atlas", "us-atlas", {"states-10m.json": "states-10m.json"}, "LICENSE"),
    Package("world-atlas", "world-atlas", {"countries-110m.json": "countries-110m.json"}, "LICENSE"),
    Package("zxing-wasm", "zxing-wasm", {"dist/reader/zxing_reader.wasm": "zxing_reader.wasm"}, "LICENSE"),
)


def main() -> int:
    """Installs, copies, compiles and writes vendor.toml."""
    with tempfile.TemporaryDirectory(prefix="backstock-vendor-") as temporary:
        work = Path(temporary)
        for name in ("package.json", "package-lock.json", "tabler.scss"):
            if (BUILD / name).exists():
                shutil.copy(BUILD / name, work / name)
        # `install`, not `ci`: a changed package.json updates the lock, an unchanged one installs the lock as it is.
        subprocess.run(INSTALL, cwd=work, check=True)
        lock = (work / "package-lock.json").read_text(encoding="utf-8")
        if '"resolved"' in lock:
            print("package-lock.json names a registry; refusing to copy it.", file=sys.stderr)
            return 1
        (BUILD / "package-lock.json").write_text(lock, encoding="utf-8")
        modules = work / "node_modules"
        licences = {package.folder: copy(package, modules) for package in PACKAGES}
        compile_tabler(work)
        write_sprite(modules)
    write_manifest(licences)
    return 0


def copy(package: Package, modules: Path) -> tuple[str, str, str]:
    """Copies one package's files; returns its npm name, version and licence identifier."""
    source = modules / package.name
    about = json.loads((source / "package.json").read_text(encoding="utf-8"))
    target = HERE / package.folder
    target.mkdir(exist_ok=True)
    for inside, here in package.files.items():
        data = (source / inside).read_bytes()
        # Source maps are not vendored: a dangling reference would be a 404 in every developer's console.
        (target / here).write_bytes(re.sub(rb"\n//[#@] sourceMappingURL=[^\n]*\n?$", b"\n", data))
    if package.licence:
        shutil.copy(source / package.licence, target / "LICENSE.txt")
    elif not (target / "LICENSE.txt").exists():
        raise SystemExit(f"{package.name} ships no licence text: put it into {target}/LICENSE.txt first.")
    return package.name, about["version"], about["license"]


def compile_tabler(work: Path) -> None:
    """Compiles build/tabler.scss (the parts of Tabler we use) into one compressed style sheet."""
    out = HERE / "tabler" / "tabler.css"
    sass = work / "node_modules" / ".bin" / "sass"
    options = ("--no-source-map", "--style=compressed", "--quiet-deps", f"--load-path={work / 'node_modules'}")
    subprocess.run([str(sass), *options, str(work / "tabler.scss"), str(out)], check=True)


def write_sprite(modules: Path) -> None:
    """Writes the listed Tabler outline icons as <symbol>s: `<use href="sprite.svg#name">` draws one."""
    symbols = []
    for line in (BUILD / "icons.txt").read_text(encoding="utf-8").splitlines():
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        svg = (modules / "@tabler/icons/icons/outline" / f"{name}.svg").read_text(encoding="utf-8")
        shapes = re.findall(r"<(?:path|circle|line|rect|polyline|ellipse)\b[^>]*/>", svg)
        drawn = "".join(shape for shape in shapes if 'd="M0 0h24v24H0z"' not in shape)
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
            f'stroke-linecap="round" stroke-linejoin="round">{re.sub(r" +/>", "/>", drawn)}</symbol>'
        )
    sprite = '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"
    (HERE / "tabler-icons" / "sprite.svg").write_text(sprite, encoding="utf-8")


def write_manifest(licences: dict[str, tuple[str, str, str]]) -> None:
    """Writes vendor.toml: for each folder the package, version, licence, and SHA-256 of each file."""
    lines = ["# Written by update.py; tests/web/test_vendor.py hashes every file again."]
    for folder, (name, version, licence) in sorted(licences.items()):
        lines += ["", f"[{folder}]", f'package = "{name}"', f'version = "{version}"', f'licence = "{licence}"']
        lines += ["", f"[{folder}.sha256]"]
        for path in sorted((HERE / folder).iterdir()):
            lines.append(f'"{path.name}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"')
    (HERE / "vendor.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

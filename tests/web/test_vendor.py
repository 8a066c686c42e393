"""Vendored files are what vendor.toml says they are, with their licences, and nothing names another host to load."""

from __future__ import annotations

import hashlib
import re
import tomllib

import pytest

from web.assets import STATIC_ROOT

VENDOR = STATIC_ROOT / "vendor"
MANIFEST = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", sorted(MANIFEST))
def test_every_file_has_the_recorded_hash(folder: str) -> None:
    recorded = MANIFEST[folder]["sha256"]
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (VENDOR / folder).iterdir()}
    assert found == recorded


@pytest.mark.parametrize("folder", sorted(MANIFEST))
def test_every_package_has_name_version_and_licence(folder: str) -> None:
    entry = MANIFEST[folder]
    assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
    assert entry["licence"] in {"MIT", "ISC", "BSD-3-Clause", "BSD-0-Clause", "Apache-2.0"}
    assert "LICENSE.txt" in entry["sha256"]


def test_no_folder_is_missing_from_the_manifest() -> None:
    assert {p.name for p in VENDOR.iterdir() if p.is_dir()} - {"build", "__pycache__"} == set(MANIFEST)


def test_lock_file_names_no_registry() -> None:
    lock = (VENDOR / "build" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def test_style_sheets_load_nothing_from_another_host() -> None:
    for path in STATIC_ROOT.rglob("*.css"):
        css = path.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*[\"']?(https?:)?//", css), path
        assert not re.search(r"@import\s+(url\()?[\"']?(https?:)?//", css), path


def test_manifest_versions_are_those_of_the_lock() -> None:
    asked = re.findall(r'"([@\w./-]+)": "(\d[\w.]*)"', (VENDOR / "build" / "package.json").read_text(encoding="utf-8"))
    versions = {entry["package"]: entry["version"] for entry in MANIFEST.values()}
    assert {name: version for name, version in asked if name != "sass"} == versions

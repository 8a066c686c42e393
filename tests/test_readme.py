"""The README tells the truth: its curl walk-through runs as it stands, its commands and folders exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.demo_site import DemoSite

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_walk_through_runs(demo: DemoSite) -> None:
    found = re.search(r"## The main job by curl.*?```sh\n(.*?)```", README, re.DOTALL)
    assert found
    script = (
        found[1]
        .replace("http://127.0.0.1:8000", demo.url)
        .replace(".venv/bin/backstock", f"{sys.executable} -m marketplace.cli")
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        env={**clean, "BACKSTOCK_DATA_DIR": str(demo.data_dir)},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].endswith("True")
    assert "May be bought back until" in done.stdout
    assert "minus one" in done.stdout


def test_make_targets_it_names_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= targets


def test_folders_it_names_exist() -> None:
    section = README.split("## Folder map")[1].split("## One request")[0]
    for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE):
        names = re.findall(r"`([^`]+)`", row)
        for name in names:
            assert (ROOT / name).exists() or (ROOT / "marketplace" / name).exists(), name

"""What fault tests report of themselves: the line that ``make test-faults`` puts into tests/faults/REPORT.md."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

FULL = float(os.environ.get("BACKSTOCK_FULL_TESTS") or 0)
"""The share of the design's sizes: 1 for all, 0.1 for a tenth, 0 for those of CI."""
_LINES = "BACKSTOCK_FAULT_LINES"


def sized(ci: int, full: int) -> int:
    """A size for CI, or the one of the design with BACKSTOCK_FULL_TESTS=1, or a share of it."""
    return max(ci, int(full * FULL)) if FULL else ci


def seed_of(test: str) -> int:
    """The seed of a test that throws dice: another one with each full run, BACKSTOCK_SEED where a run is to be repeated; always the
    same in CI, where nobody wants to be surprised by somebody else's bad luck."""
    given = os.environ.get("BACKSTOCK_SEED")
    return int(given) if given else secrets.randbits(32) if FULL else sum(test.encode())


def report(test: str, what: str, **figures: object) -> None:
    """Says what a test that has passed has done: its number in the design, what it is, its counts. Kept where somebody collects."""
    path = os.environ.get(_LINES)
    if path:
        with Path(path).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"test": test, "what": what, "figures": figures}) + "\n")

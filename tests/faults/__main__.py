"""``python -m tests.faults [--only F6 ...]``: the fault tests at the sizes of the design, and tests/faults/REPORT.md about them.

What was run is kept in report.json beside it: a run of some of them replaces only their lines. FOUND.md is written by hand: what the
tests have found, for it belongs to what they have shown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT, FOUND, REPORT = HERE / "report.json", HERE / "FOUND.md", HERE / "REPORT.md"
CONCURRENCY, LEDGER, FAULTS = "tests/concurrency", "tests/marketplace/ledger", "tests/faults"
TESTS = {
    "F1": ([f"{CONCURRENCY}/test_races.py", "-k", "f1"], "exactly one winner, losers get a typed conflict"),
    "F2": ([f"{CONCURRENCY}/test_totals.py", "-k", "f2 or damage"], "every snapshot adds up, nothing negative"),
    "F4": ([f"{CONCURRENCY}/test_repeats.py"], "one effect; another body is a conflict"),
    "F6": ([f"{FAULTS}/test_kills.py", f"{FAULTS}/test_outages.py", "-k", "f6 or killed_database"],
           "acknowledged writes lost: 0; proofs verify"),
    "F7": ([f"{FAULTS}/test_sequencer.py", "-k", "f7"], "no gap, no reorder, one root per size"),
    "F8": ([f"{FAULTS}/test_sequencer.py", "-k", "f8"], "0 missed, 0 per-lot misorders"),
    "F9": ([f"{LEDGER}/test_state_machine.py"], "0 mismatches"),
    "F10": ([f"{CONCURRENCY}/test_races.py", "-k", "f10"], "exactly one resolution"),
    "F11": ([f"{LEDGER}/test_rules.py", "-k", "f11"], "refused"),
    "F12": ([f"{FAULTS}/test_tampering.py", f"{LEDGER}/test_log_over_http.py", f"{LEDGER}/test_log_core.py", "-k",
             "f12 or set_back or thousand"], "all found by the offline verifier or a witness"),
    "F13": ([f"{LEDGER}/test_log_core.py", "-k", "vectors"], "all"),
    "F15": ([f"{FAULTS}/test_backup.py"], "root equals the published one"),
    "F16": ([f"{CONCURRENCY}/test_totals.py", "-k", "f16"], "identical"),
    "F18": ([f"{FAULTS}/test_outages.py", "-k", "full or too_long or away or hanging"], "fails closed, nothing partial"),
}  # fmt: skip
"""Number in the design -> what pytest is given, what it takes to pass."""


def run(name: str) -> dict[str, Any]:
    """Runs the tests of one number; what they say of themselves, how many passed, how long it took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", *TESTS[name][0]], capture_output=True, text=True,
            check=False, env={"BACKSTOCK_FULL_TESTS": "1", **os.environ, "BACKSTOCK_FAULT_LINES": str(lines)},
        )  # fmt: skip
        told = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    closing = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-300:]
    if done.returncode:
        print(done.stdout[-4_000:], file=sys.stderr)
    return {
        "passed": done.returncode == 0, "closing": closing, "seconds": round(time.monotonic() - began),
        "on": datetime.now(UTC).strftime("%Y-%m-%d"), "share": float(os.environ.get("BACKSTOCK_FULL_TESTS", "1")), "lines": _together([t for t in told if t["test"] == name]),
    }  # fmt: skip


def _together(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the cases of one test say, added up where they say the same of each."""
    found: dict[str, dict[str, Any]] = {}
    for line in told:
        known = found.setdefault(line["what"], {})
        for name, value in line["figures"].items():
            known[name] = known[name] + value if isinstance(value, int) and name in known else value
    return [{"what": what, "figures": figures} for what, figures in found.items()]


def _share(ran: dict[str, Any]) -> str:
    share = ran.get("share", 1)
    return "" if share == 1 else f", at {share:g} of the size of the design"


def _figures(figures: dict[str, Any]) -> str:
    def one(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{v:,} {k}" for k, v in value.items())
        return f"{value:,}" if isinstance(value, int) else str(value)

    return "; ".join(
        f"{name.replace('_', ' ')} {value if name == 'seed' else one(value)}" for name, value in figures.items()
    )


def rendered(kept: dict[str, Any]) -> str:
    """The report."""
    rows = []
    for name, (_, wanted) in TESTS.items():
        ran = kept.get(name)
        if ran is None:
            rows.append(f"| {name} | {wanted} | not run at full size yet | | |")
            continue
        verdict = "passed" if ran["passed"] else "**failed**"
        rows += [
            f"| {name} | {wanted} | {verdict} | {line['what']} | {_figures(line['figures'])} |"
            for line in ran["lines"] or [{"what": "", "figures": {}}]
        ]
        rows.append(f"| | | | *{ran['on']}, {ran['seconds']:,} s{_share(ran)}* | *{ran['closing'].strip('= ')}* |")
    table = "\n".join(rows)
    return (
        "# What the ledger was shown to survive\n\n"
        "Written by `make test-faults` (`ONLY=\"F6 F7\"` for some); the sizes are those of the design, the same tests run smaller with "
        "`make test`, and with `BACKSTOCK_FULL_TESTS=0.1` at a tenth. A seed is repeated with `BACKSTOCK_SEED=... BACKSTOCK_FULL_TESTS=1 pytest ...`. "
        f"Machine of the newest run: {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, PostgreSQL with fsync on "
        "wherever something is killed.\n\n"
        "| | to pass | | what | figures |\n|---|---|---|---|---|\n"
        f"{table}\n\n{FOUND.read_text(encoding='utf-8')}"
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    """Runs what is asked for, one after the other, and writes the report after each: a long run that breaks off has told what it knew."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--only", nargs="*", choices=list(TESTS))
    parser.add_argument("--render", action="store_true", help="Only write the report again.")
    asked = parser.parse_args(arguments)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    failed = False
    for name in [] if asked.render else asked.only or list(TESTS):
        print(f"{name} ...", file=sys.stderr, flush=True)
        kept[name] = run(name)
        failed |= not kept[name]["passed"]
        print(f"{name}: {kept[name]['closing']}", flush=True)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        REPORT.write_text(rendered(kept), encoding="utf-8")
    REPORT.write_text(rendered(kept), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

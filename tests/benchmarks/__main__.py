"""``python -m tests.benchmarks [--only GROUP] [--json PATH]``: a readable table, and JSON lines for machines."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from tests.benchmarks.bench import Figure, cluster

# Group -> module. A group runs on a cluster of its own, so that one's data is not the other's.
GROUPS = {
    "ledger": "moves",
    "log": "sealing",
    "search": "searching",
    "confirm": "confirming",
    "find": "buying",
    "plan": "solving",
    "planning": "planning",
    "advice": "planning_run",
    "watch": "watching",
    "import": "stocking",
    "asof": "past",
    "demo": "using",
    "replay": "replaying",
    "record": "telling",
}


def table(figures: list[Figure]) -> str:
    """The figures in columns."""
    rows = [("name", "value", "unit", "floor", "ratio", "clients", "note")]
    rows += [
        (
            f.name, f"{f.value:,.2f}" if f.value < 100 else f"{f.value:,.0f}", f.unit,
            f"{f.floor:,.0f}" if f.floor else "", f"{f.ratio:.2f}" if f.ratio else "", str(f.clients), f.note,
        )
        for f in figures
    ]  # fmt: skip
    widths = [max(len(r[i]) for r in rows) for i in range(6)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, [*widths, 0], strict=True)).rstrip() for r in rows)


def main(arguments: list[str]) -> int:
    """Runs the groups asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--only", choices=sorted(GROUPS))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    if asked.json:
        asked.json.write_text("")
    for group in [asked.only] if asked.only else GROUPS:
        print(f"{group} ...", file=sys.stderr, flush=True)
        module = importlib.import_module(f"tests.benchmarks.{GROUPS[group]}")
        with cluster() as credentials:
            figures = module.run(credentials)
        # Group by group: a run of a quarter of an hour that breaks off has still told what it knew.
        print(table(figures), end="\n\n", flush=True)
        if asked.json:
            with asked.json.open("a") as lines:
                lines.writelines(f.line() + "\n" for f in figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Nearly every benchmark runs in CI at a tiny size: the figures mean nothing there, but none of these can rot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import GROUPS, main
from tests.demo_site import DemoSite

NAMES = {
    "ledger": {"ledger.move", "ledger.move_batch", "ledger.hold_race"},
    "log": {"log.seal", "log.recompute", "log.bytes", "log.lag", "log.prove", "log.verify"},
    "search": {
        "search.exact", "search.prefix", "search.substring", "search.fuzzy", "search.exact_http", "search.prefix_http",
        "search.bulk500", "search.bulk500_mistyped",
    },
    "import": {"import.stock", "import.again", "import.memory"},
    "asof": {"asof.part", "asof.difference", "asof.part_largest", "asof.difference_largest", "asof.all", "asof.all_middle"},
    "demo": {
        "locate.bulk500", "locate.bulk500_mistyped", "locate.bulk500_http", "locate.bulk500_mistyped_http",
        "page.calendar", "page.find", "page.unit", "page.first_load", "call.urgent", "app.memory", "demo.first_load",
    },
    "confirm": {"plan.confirm", "plan.confirm.tenth"},
    "advice": {"planning.run", "planning.run.memory", "planning.run.processor"},
    "watch": {"watch.reckon"},
    "find": {"find.facets3", "find.facets3_p50", "find.list3", "find.list3_p50", "cover.list500"},
    "planning": {"planning.coverage", "planning.marginals", "planning.memory", "planning.advice", "planning.demand", "planning.calibration", "planning.calibration.years"},
    "record": {"record.partner", "record.activity"},
    "replay": {"replay.rate", "replay.reserved", "replay.refused"},
    "plan": {"plan.1000x10000", "plan.caps", "clauses.evaluate", "clauses.evaluate.bare", "clauses.evaluate.v2", "clauses.evaluate.full"},
}  # fmt: skip


# These take seven minutes of a run that has forty: what they measure is tested by its own tests (the replay's command by
# marketplace/demo/test_replay.py); make bench runs them.
LONG = {"demo", "replay", "planning", "search", "log"}


def test_every_group_has_names() -> None:
    assert set(GROUPS) == set(NAMES)


@pytest.mark.parametrize("group", sorted(set(GROUPS) - LONG))
def test_group_runs(
    group: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("BACKSTOCK_BENCH", "smoke")
    # One worker runs this file, one group after the other.
    monkeypatch.setenv("BACKSTOCK_BENCH_BASE", str(tmp_path_factory.getbasetemp() / "bench-base"))
    if group == "demo":
        demo: DemoSite = request.getfixturevalue("demo")
        monkeypatch.setenv("BACKSTOCK_BENCH_DEMO", str(demo.data_dir.parent))
    target = tmp_path / "figures.jsonl"
    assert main(["--only", group, "--json", str(target)]) == 0
    figures = [json.loads(line) for line in target.read_text().splitlines()]
    assert {f["name"] for f in figures} == NAMES[group]
    for figure in figures:
        assert list(figure) == ["name", "value", "unit", "floor", "ratio", "clients", "note"]
        assert figure["value"] > 0

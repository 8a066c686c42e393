"""What became of the requests, counted, and told as text and as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MET, PARTLY, UNMET = "met", "met in part", "unmet"

NOT_KNOWN: Final = "not in the catalogue"
LEFT_OUT: Final = "not in the catalogue: a kind of thing that this demo leaves out"
OTHER_UNIT: Final = "asked for in another unit of measure, without a factor"
NO_QUANTITY: Final = "asked for no quantity"
NOTHING_LEFT: Final = "nothing left anywhere"
WHY: Final[Mapping[str, str]] = {
    "held": "reserved for other requests",
    "window_not_open": "outside the window of the right",
    "window_closed": "outside the window of the right",
    "not_covered": "outside what the right covers",
    "no_notice": "outside what the right covers",
    "holder_reserve": "the holder's own reserve",
    "in_transit": "on the way",
    "sent_back": "on the way",
    "kept_apart": "on the way",
    "legal_hold": "agreement under legal hold",
    "suspended": "agreement suspended",
    "quality_hold": "on quality hold",
    "withdrawn": "said not to be on the shelf",
    "not_in_force": "agreement not in force",
    "exercises_used_up": "limit of orders used up",
    "period_used_up": "limit of orders used up",
    "below_partial_minimum": "fewer than one order takes",
    "delegation_limit": "limit of the delegation",
    "nothing_left": NOTHING_LEFT,
}
"""Why nothing was found, by what stands in the way of most units."""


@dataclass(slots=True)
class Tally:
    """Counts and times of some requests; those of several workers are added up."""

    asked: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    units_asked: int = 0
    units_reserved: int = 0
    orders: int = 0
    awaiting_approval: int = 0
    retries: int = 0
    """How often a plan found a unit gone that was there when the request looked for it, and it looked again."""
    busy: int = 0
    """How often the database answered 'not now' (a lock waited for too long), and the request was asked again."""
    statements: list[int] = field(default_factory=list)
    """Of the requests whose statements were counted."""
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    recorded: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(what the record says, what became of it here)."""
    began: float = 0.0
    """Seconds of the machine's clock at which the first was asked, and the last was answered."""
    ended: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    """What was neither an order nor a refusal that a request expects: a defect."""

    def add(self, other: Tally) -> None:
        """Takes the counts of another worker in."""
        self.began = min(self.began or other.began, other.began or self.began)
        self.ended = max(self.ended, other.ended)
        for name in ("asked", "units_asked", "units_reserved", "orders", "awaiting_approval", "retries", "busy"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("outcomes", "reasons", "recorded", "failures"):
            getattr(self, name).update(getattr(other, name))
        self.statements += other.statements
        for step, taken in other.milliseconds.items():
            self.milliseconds.setdefault(step, []).extend(taken)

    def time(self, step: str, seconds: float) -> None:
        """One request took so long over a step."""
        self.milliseconds.setdefault(step, []).append(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was recomputed from the ledger after the run: how much was looked at, and where it does not hold."""

    orders: int
    reservations: int
    double_promises: int
    faults: tuple[str, ...]
    checks: int
    """Checks of ``backstock ledger verify`` that were run."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a replay was run."""

    world: str
    seed: int
    speed: str
    workers: int
    processes: int
    seconds: float
    stopped: bool
    wanted: int
    load_before: float
    load_after: float


def percentiles(taken: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds; empty for none."""
    if not taken:
        return {}
    ordered = sorted(taken)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 1) for p in (50, 95, 99)}


def as_data(run: Run, tally: Tally, proof: Proof) -> dict[str, Any]:
    """The report for programs."""
    counted = tally.statements
    shipped = sum(n for (recorded, _), n in tally.recorded.items() if recorded == "shipped")
    return {
        "world": run.world, "seed": run.seed, "speed": run.speed, "workers": run.workers, "processes": run.processes,
        "load_before": run.load_before, "load_after": run.load_after, "stopped_early": run.stopped,
        "requests_wanted": run.wanted, "requests": tally.asked, "seconds": round(run.seconds, 2),
        "requests_per_second": round(tally.asked / run.seconds, 1) if run.seconds else 0.0,
        "outcomes": {name: tally.outcomes[name] for name in (MET, PARTLY, UNMET)},
        "unmet_why": dict(tally.reasons.most_common()),
        "units": {"asked": tally.units_asked, "reserved": tally.units_reserved},
        "orders": tally.orders, "requests_awaiting_approval": tally.awaiting_approval,
        "retries_after_a_unit_was_taken": tally.retries, "asked_again_while_locked": tally.busy,
        "milliseconds": {step: percentiles(taken) for step, taken in sorted(tally.milliseconds.items())},
        "statements_per_request": {
            "counted_on": len(counted), "mean": round(sum(counted) / len(counted), 1) if counted else None,
            "most": max(counted, default=None),
        },
        "double_promises": proof.double_promises,
        "proof": {
            "orders": proof.orders, "reservations": proof.reservations, "checks": proof.checks,
            "faults": list(proof.faults),
        },
        "failures": dict(tally.failures),
        "recorded": {
            "shipped": shipped, "cancelled": tally.asked - shipped,
            "there_and_here": [
                {"recorded": recorded, "here": here, "requests": n}
                for (recorded, here), n in sorted(tally.recorded.items(), key=lambda one: (-one[1], one[0]))
            ],
        },
    }  # fmt: skip


def as_text(run: Run, tally: Tally, proof: Proof) -> str:
    """The report for people, as Markdown."""
    data = as_data(run, tally, proof)
    lines = ["# Replay of real requests", ""]
    if run.stopped:
        lines += [f"Stopped early: {tally.asked:,} of {run.wanted:,} requests were asked.", ""]
    lines += [
        (f"World: {run.world}. Seed {run.seed}, speed {run.speed}, {run.workers} workers in {run.processes} "
        f"process{'es' * (run.processes != 1)}; load of the machine {run.load_before:.1f} before and {run.load_after:.1f} after."),
        "",
        "| | |", "|---|---:|",
        f"| requests | {tally.asked:,} in {run.seconds:,.1f} s |",
        f"| requests per second (locate, plan, reserve or refuse) | {data['requests_per_second']:,.1f} |",
        f"| **double promises** | **{proof.double_promises}** |",
        *(f"| {name} | {tally.outcomes[name]:,} ({_share(tally.outcomes[name], tally.asked)}) |" for name in (MET, PARTLY, UNMET)),
        f"| units asked for, reserved | {tally.units_asked:,}, {tally.units_reserved:,} |",
        f"| orders back; requests that wait for an approver | {tally.orders:,}; {tally.awaiting_approval:,} |",
        f"| looked again after a unit was taken meanwhile | {tally.retries:,} |",
        f"| asked again since rows were locked for too long | {tally.busy:,} |",
        *(
            [(f"| statements per request (mean, most of {len(tally.statements):,} counted) | "
             f"{data['statements_per_request']['mean']}, {data['statements_per_request']['most']} |")]
            if tally.statements else []
        ),
        "", "## Time to answer, milliseconds", "", "| step | p50 | p95 | p99 |", "|---|---:|---:|---:|",
        *(f"| {step} | {p['p50']:,} | {p['p95']:,} | {p['p99']:,} |" for step, p in data["milliseconds"].items() if p),
        "", "## Unmet, and why", "",
        "By what stands in the way of most units of the number.", "", "| why | requests |", "|---|---:|",
        *(f"| {words} | {n:,} |" for words, n in data["unmet_why"].items()),
        "", "## Recomputed from the ledger", "",
        f"{proof.orders:,} orders with {proof.reservations:,} reservations: no stock line with more reserved than is there, no "
        "reservation of units of another part, agreement or holder than its order names, each order's reservations add up to its "
        f"quantity, no request got more than it asked for; {proof.checks} checks of `backstock ledger verify`. "
        + ("All of it holds." if not proof.faults else "This does not hold:"),
        *(f"- {words}" for words in proof.faults),
        "", "## What the records say of the same requests", "",
        ("Beside each other, not claimed to be the same: there, agencies asked for what was on one list, and people decided; here the "
        "units are those that were shipped there, under made-up agreements."), "",
        "| recorded | here | requests |", "|---|---|---:|",
        *(f"| {one['recorded']} | {one['here']} | {one['requests']:,} |" for one in data["recorded"]["there_and_here"]),
    ]  # fmt: skip
    if tally.failures:
        lines += ["", "## Defects", "", *(f"- {words}: {n:,}" for words, n in tally.failures.most_common())]
    return "\n".join(lines) + "\n"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"

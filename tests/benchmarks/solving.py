"""plan.* and clauses.evaluate: pure computation, no database."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from marketplace.agreements.evaluation import Entitled, Facts, evaluate_call
from marketplace.agreements.terms import Terms
from marketplace.sourcing.allocation import Need, Rules, Source, choose
from tests.benchmarks.bench import Credentials, Figure, percentile, seconds, size
from tests.marketplace.agreements import builders, second

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def problem(needs: int, units: int) -> tuple[list[Need], list[Source]]:
    """So many needs over so many units; each need may be met from some thirty places."""
    chance = random.Random(11)
    urgencies = ["machine_down"] * 5 + ["urgent"] * 35 + ["stock_order"] * 60
    wanted = [
        Need(
            f"N{n}", (UUID(int=n // 3 + 1),), chance.randint(1, 4), NOW + timedelta(days=chance.randint(1, 20)),
            chance.choice(urgencies),
        )
        for n in range(needs)
    ]  # fmt: skip
    sources = []
    places = units // 5
    for need in wanted:
        part = need.parts[0]
        for _ in range(33):
            place = chance.randrange(places)
            sources.append(
                Source(
                    need.key, f"{part.int}-{place}", part, place % 50 == 0, 5, f"{part.int}-{place}", 5,
                    5_000 + place % 977, chance.randint(500, 9_000), NOW + timedelta(days=chance.randint(1, 12)),
                    held_by=f"H{place % 50}",
                )
            )  # fmt: skip
    return wanted, list({(s.need, s.key): s for s in sources}.values())


def rate(terms: Terms, facts: Facts, *, explain: bool = True) -> float:
    """Orders evaluated per second of the processor's time, the best of some rounds: the machine's other work is not the evaluator's."""
    assert isinstance(evaluate_call(terms, facts, builders.NOW), Entitled), "an order that is refused is soon evaluated"
    best, until = 0.0, time.perf_counter() + seconds(2.0)
    while time.perf_counter() < until:
        began = time.process_time()
        for _turn in range(1_000):
            evaluate_call(terms, facts, builders.NOW, explain=explain)
        best = max(best, 1_000 / (time.process_time() - began))
    return best


def run(_: Credentials) -> list[Figure]:
    """plan.1000x10000, plan.caps and clauses.evaluate."""
    count, units = size(1_000, 30), size(10_000, 300)
    needs, sources = problem(count, units)
    taken = []
    for _turn in range(size(5, 2)):
        began = time.perf_counter()
        choose(needs, sources)
        taken.append((time.perf_counter() - began) * 1000)
    # Without the limit the holder that most is ordered from gets 18 orders at full size.
    capped = Rules(holder_orders=max(count * 12 // 1_000, 1))
    limited = []
    for _turn in range(size(3, 1)):
        began = time.perf_counter()
        plan = choose(needs, sources, capped)
        limited.append((time.perf_counter() - began) * 1000)
        assert plan.proven, "a plan under limits is the best there is"
    first = rate(builders.terms(), builders.facts())
    bare = rate(builders.terms(), builders.facts(), explain=False)
    newest = rate(second.second("buy-back", price=second.INDEXED), second.indexed_facts())
    full = rate(second.full(), second.full_facts())
    note = f"{count:,} needs, {units:,} units, {len(sources):,} arcs; explanations included"
    return [
        Figure("plan.1000x10000", percentile(taken, 0.95), "ms", None, None, 1, note),
        Figure(
            "plan.caps",
            percentile(limited, 0.95),
            "ms",
            None,
            None,
            1,
            f"the same with at most {capped.holder_orders} orders per holder, by a whole-number programme",
        ),
        Figure("clauses.evaluate", first, "per s", None, None, 1, "orders under buy-back/v1, with reasons in words"),
        Figure("clauses.evaluate.bare", bare, "per s", None, None, 1, "the same without words, as a search asks"),
        Figure("clauses.evaluate.v2", newest, "per s", None, None, 1, "calls under buy-back/v2, indexed price"),
        Figure(
            "clauses.evaluate.full", full, "per s", None, None, 1, "the same, with something in every group of terms"
        ),
    ]

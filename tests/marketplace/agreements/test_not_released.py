"""A clause that the program knows and that nobody has released: it can be evaluated, and neither posted nor proposed. In a library
and a database of its own, since every clause that is known was released."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from marketplace.agreements.combinations import COMBINATIONS
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import dump_terms
from marketplace.db.embedded import APP, OWNER, Credentials
from marketplace.db.session import Database
from tests.agreed import rows_of
from tests.conftest import clone
from tests.marketplace import main_job
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

TABLES = ("release", "purchase_order", "agreement", "agreement_event", "agreement_proposal", "outbox_event")
USE = "non_capital_spare"


def first_only(folder: Path) -> Path:
    """The library with nothing released but buy-back/v1."""
    shutil.copytree(main_job.CONTRACTS, folder)
    lines = (folder / "released.toml").read_text().splitlines()
    kept: list[str] = []
    clause = ""
    for line in lines:
        clause = line.strip("[]") if line.startswith("[") else clause
        if not line.startswith("v") or (clause == "buy-back" and line.startswith("v1 ")):
            kept.append(line)
    (folder / "released.toml").write_text("\n".join(kept) + "\n")
    return folder


@pytest.fixture
async def job(
    cluster: Credentials, worker_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Job]:
    name = f"test_{worker_id}_first_only"
    await clone(cluster, name)
    owner, database = await asyncpg.connect(cluster.dsn(OWNER, name)), Database(cluster.dsn(APP, name), pool_size=5)
    monkeypatch.setattr(main_job, "CONTRACTS", first_only(tmp_path / "contracts"))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        stack.push_async_callback(database.close)
        yield await Job.begin(await World.make(owner, database), stack)


async def test_it_is_refused_when_posting_and_proposing_and_what_is_released_is_not(job: Job) -> None:
    released = PRESETS["standard-buy-back"].terms(use_class=USE)
    clauses = [dump_terms(t) for t in COMBINATIONS["shelf-and-first-refusal"].terms(use_class=USE)]
    await job.released(10)
    await job.ordered(4)
    before = await rows_of(job.world, *TABLES)

    def body(first: dict[str, Any], *further: dict[str, Any]) -> dict[str, Any]:
        given = [{"clause": t["clause"], "version": t["version"], "terms": t} for t in (first, *further)]
        return {**given[0], "further": given[1:]}

    not_there = [body(clauses[0]), body(*clauses), body(clauses[1])]
    for given in not_there:
        posting = {"title": "Shelf", "use_class": USE, **given}
        said = await refused(job.planner.post(f"{API}/releases", json=posting), "clause.not_found")
        assert "has not been published here" in said["detail"]
        lines = [{"listing_id": job.listing, "quantity": 1}]
        other = {"clauses": [{k: given[k] for k in ("clause", "version", "terms")}, *given["further"]], "note": "Ours."}
        order = {
            "lines": lines, "po_number": "PO-9", "ship_to_site_id": str(job.world.buyer.site), "proposed": other,
        }  # fmt: skip
        await refused(job.buyer.post(f"{API}/orders", json=order), "clause.not_found")
    assert await rows_of(job.world, *TABLES) == before
    await job.signed()
    before = await rows_of(job.world, *TABLES)
    for given in not_there:
        at = f"{API}/agreements/{job.agreement}/proposals"
        await refused(job.planner.post(at, json={**given, "note": "New terms."}), "clause.not_found")
    assert await rows_of(job.world, *TABLES) == before
    changed = dump_terms(released.model_copy(update={"inspection_days": released.inspection_days + 1}))
    await ok(job.planner.post(f"{API}/agreements/{job.agreement}/proposals", json={**body(changed), "note": "."}), 201)

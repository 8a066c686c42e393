"""Stock and demand of a few parts, as the advisor finds them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import httpx

from tests.world import World


async def stocked(world: World, planner: httpx.AsyncClient) -> dict[str, UUID]:
    """Six parts with stock and what their field asked for."""
    parts: dict[str, UUID] = {}
    for name, price in (
        ("SLOW", "120.00"),
        ("BUSY", "80.00"),
        ("OLD", "50.00"),
        ("NEW", "50.00"),
        ("FREE", None),
        ("KEPT", "10.00"),
    ):
        parts[name] = await world.make_part(f"{world.tag}-{name}", list_price=price)
    csv = "Item,Qty,Site,Protected\n" + "".join(
        f"{world.tag}-{n},{q},S1,{'yes' if n == 'KEPT' else ''}\n"
        for n, q in (("SLOW", 10), ("BUSY", 12), ("OLD", 4), ("NEW", 5), ("FREE", 3), ("KEPT", 6))
    )
    made = (
        await planner.post(
            "/api/v1/imports",
            files={"file": ("stock.csv", csv.encode(), "text/csv")},
            data={"snapshot_on": "2026-01-04"},
        )
    ).json()
    landed = await planner.post(f"/api/v1/imports/{made['id']}/apply", json={})
    assert landed.json()["lots_new"] == 6, landed.text
    await world.owner.execute(
        "INSERT INTO supersession (from_part_id, to_part_id, effective_on) VALUES ($1, $2, $3)", parts["OLD"], parts["NEW"], date(2025, 1, 1)
    )  # fmt: skip
    months = [f"{y}-{m:02}" for y in (2023, 2024, 2025) for m in range(1, 13)]
    asked = {
        "SLOW": ["1" if n % 17 == 3 else "0" for n in range(36)], "BUSY": ["3"] * 36, "OLD": ["1" if n % 4 == 0 else "0" for n in range(36)],
        "NEW": [""] * 30 + ["0", "0", "1", "0", "0", "0"], "KEPT": ["0"] * 36,
    }  # fmt: skip
    text = (
        "Part number," + ",".join(months) + "\n" + "".join(f"{world.tag}-{n},{','.join(u)}\n" for n, u in asked.items())
    )
    sent = await planner.post("/api/v1/demand", files={"file": ("demand.csv", text.encode(), "text/csv")})
    assert sent.json()["parts"] == 5, sent.text
    return parts

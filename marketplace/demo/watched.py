"""What the watch over coverage has to find in the demo: a right that ends in a few weeks, and a partner that uses units up faster than
anybody assumed. Lived through the services like the other newest agreements."""

from __future__ import annotations

from typing import Final

from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.terms import parse_terms
from marketplace.demo.scene import Scene
from marketplace.holdings import service as holdings
from marketplace.holdings.service import AtSite

ENDING: Final = "2530-01-568-8843"
DRAINED: Final = "2520-01-117-3010"
HOLDER, AUSTIN = "TX", "TX3664"
FAST, DAKOTA = "NE", "NE2398"
USED: Final = ((4, 310), (4, 255), (4, 190), (3, 120), (3, 70), (2, 25))
"""(units, days ago): twenty of twenty-four within a year, by a partner that holds hardly anything else."""


async def ends_soon(scene: Scene) -> None:
    """Ten units under a right of one year that has some eleven weeks to go."""
    terms = parse_terms("buy-back", 2, {**BUY_BACK, "window_end_months": 12})
    await scene.sold(
        "Units to have near for a year", ENDING, [terms], to=HOLDER, site=scene.site(AUSTIN), quantity=10, price="145.00", days=278, po="PO-87954"
    )  # fmt: skip


async def used_up(scene: Scene) -> None:
    """A partner that fits its units into its machines, which it may, at a pace that leaves none to call back."""
    terms = parse_terms("buy-back", 2, {**BUY_BACK, "use_rule": "free"})
    sold = await scene.sold(
        "Units a workshop may fit", DRAINED, [terms], to=FAST, site=scene.site(DAKOTA), quantity=24, price="88.00", days=335, po="PO-87931"
    )  # fmt: skip
    for units, days in USED:
        store = await scene.partner(FAST, "warehouse")
        await holdings.install(
            scene.session, store, AtSite(sold.part, sold.site), units, f"Harvester {4100 + days}", now=scene.ago(days)
        )

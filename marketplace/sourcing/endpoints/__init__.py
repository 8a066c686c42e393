"""JSON routes of sourcing."""

from __future__ import annotations

from fastapi import APIRouter

from marketplace.sourcing.endpoints import agreed, back, cascades, messages, orders, places, plans, records, searches

router = APIRouter()
for routes in (
    plans.sourcing,
    places.sourcing,
    orders.sourcing,
    back.sourcing,
    messages.sourcing,
    cascades.sourcing,
    agreed.company,
    agreed.ending,
    searches.searches,
    records.company,
):
    router.include_router(routes)

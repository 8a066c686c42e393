"""JSON routes of quotes and orders."""

from __future__ import annotations

from fastapi import APIRouter

from marketplace.orders.endpoints import deliveries, messages, placed, quotes

router = APIRouter()
for routes in (placed.router, deliveries.router, quotes.router, messages.router):
    router.include_router(routes)

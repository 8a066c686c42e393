"""JSON routes of postings, and of whom they are for."""

from __future__ import annotations

from fastapi import APIRouter

from marketplace.listings.endpoints import audiences, postings, rules

router = APIRouter()
for routes in (postings.router, audiences.router, audiences.of_postings, rules.router):
    router.include_router(routes)

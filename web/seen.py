"""Offers that somebody looked at lately, kept by the browser itself: a look writes nothing down here. What is shown of them is read
anew each time, so that what was withdrawn or is no longer for this person is not shown."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from starlette.responses import Response

from marketplace.listings import queries
from web.session import Visit, uuid_of

COOKIE: Final = "seen"
MOST: Final = 8
_DAYS: Final = 30


def _ids(visit: Visit) -> list[UUID]:
    whose, _, told = visit.request.cookies.get(COOKIE, "").partition(".")
    # Several people may use one browser; each has their own.
    return [i for text in told.split("-.")[:MOST] if (i := uuid_of(text))] if whose == visit.mark else []


def remember(visit: Visit, response: Response, listing_id: UUID) -> None:
    """Puts an offer before those that were looked at earlier."""
    ids = [listing_id, *(i for i in _ids(visit) if i != listing_id)][:MOST]
    response.set_cookie(
        COOKIE, f"{visit.mark}.{'-.'.join(map(str, ids))}", max_age=_DAYS * 24 * 3600, path="/", httponly=True, samesite="lax",
        secure=visit.request.url.scheme == "https",
    )  # fmt: skip


async def recently(visit: Visit) -> list[queries.ListingRow]:
    """The offers looked at lately that are still offered to this person, the last one first."""
    ids = _ids(visit)
    return list(await queries.seen(visit.session, ids, near=visit.near)) if ids else []

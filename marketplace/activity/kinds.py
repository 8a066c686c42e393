"""Where acts are read from, their words, and the pages that tell more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from marketplace.parties.acts import ACTS

Source = Literal["order", "agreement", "order_back", "request", "posting", "import", "security"]
SOURCES: Final[Mapping[str, str]] = {
    "order": "Order",
    "agreement": "Agreement",
    "order_back": "Order back",
    "request": "Parts request",
    "posting": "Surplus posting",
    "import": "Import",
    "security": "Security",
}
assert set(SOURCES) == set(get_args(Source))  # noqa: S101 - said twice, for people and for the type checker
_PAGES: Final[Mapping[str, str]] = {
    "order": "/orders/",
    "agreement": "/agreements/",
    "order_back": "/calls/",
    "request": "/requests/",
    "posting": "/releases/",
    "import": "/imports/",
}


def words(source: str, kind: str) -> str:
    """'Order back: accepted'; of an act of security its own words."""
    return ACTS.get(kind, kind) if source == "security" else f"{SOURCES[source]}: {kind.replace('_', ' ')}"


def page(source: str, subject: str | None) -> str:
    """The page of the record; empty where there is none."""
    return f"{_PAGES[source]}{subject}" if source in _PAGES and subject else ""

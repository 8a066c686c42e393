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


_PLAIN: Final[Mapping[str, str]] = {
    "noticed": "sent to its holder",
    "in_place": "sent in place of rejected units",
    "bought": "bought, not replaced in time",
    "gave_way": "gave way to a stopped machine",
    "covered": "bought elsewhere",
    "licence": "export licence at hand",
    "acceded": "joined",
    "superseded": "another agreement took its place",
    "legal_hold_joined": "legal hold beside the one that stands",
    "legal_hold_left": "own legal hold lifted, another one stands",
    "suspension_joined": "suspended beside the other side",
    "suspension_left": "own suspension lifted, the other one stands",
    "notice": "notice given",
}
"""What an act is called where the name that it is kept by would not be understood."""


def words(source: str, kind: str) -> str:
    """'Order back: accepted'; of an act of security its own words."""
    if source == "security":
        return ACTS.get(kind, kind)
    return f"{SOURCES[source]}: {_PLAIN.get(kind) or kind.replace('_', ' ')}"


def page(source: str, subject: str | None) -> str:
    """The page of the record; empty where there is none."""
    return f"{_PAGES[source]}{subject}" if source in _PAGES and subject else ""

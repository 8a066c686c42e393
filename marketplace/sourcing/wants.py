"""What of a want list is news, and how it is said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

MOST_TOLD: Final = 20
"""Offers that one message names; the others are counted."""
MOST_LOOKED: Final = 1_000
"""Offers that one search is compared with at a time, the cheapest first."""


@dataclass(frozen=True, slots=True)
class OnOffer:
    """An offer as a search found it; ``what`` and ``where`` say it in words, before and after its price."""

    listing_id: UUID
    unit_price: Decimal
    currency: str
    what: str
    where: str


@dataclass(frozen=True, slots=True)
class News:
    """An offer that was not told yet, or now costs less than it was told at (``before``)."""

    offer: OnOffer
    before: Decimal | None

    @property
    def words(self) -> str:
        """As a message says it."""
        o = self.offer
        was = "" if self.before is None else f" (was {_plain(self.before)})"
        return f"{o.what}: {_plain(o.unit_price)} {o.currency} a unit{was}, {o.where}."


def _plain(amount: Decimal) -> str:
    """With at least two digits after the point, and no zeros behind them."""
    text = f"{amount:.4f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))


def news(found: Sequence[OnOffer], told: Mapping[UUID, Decimal]) -> list[News]:
    """What is to be told: each offer once, and again only when it is cheaper than it was told at."""
    return [
        News(o, told.get(o.listing_id)) for o in found if o.listing_id not in told or o.unit_price < told[o.listing_id]
    ]


def summary(found: Sequence[News]) -> str:
    """How many are new and how many cheaper."""
    cheaper = sum(n.before is not None for n in found)
    fresh = len(found) - cheaper
    counts = [*([f"{fresh:,} new"] if fresh else []), *([f"{cheaper:,} cheaper"] if cheaper else [])]
    return f"{' and '.join(counts)} {'offer' if len(found) == 1 else 'offers'}"


def told_lines(found: Sequence[News]) -> str:
    """The offers, one a line; of very many the first."""
    lines = [n.words for n in found[:MOST_TOLD]]
    if len(found) > MOST_TOLD:
        lines.append(f"and {len(found) - MOST_TOLD:,} more.")
    return "\n".join(lines)

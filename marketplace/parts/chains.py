"""Following supersession: directed, dated, many steps, never in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Link:
    """``old`` is replaced by ``new`` from ``effective_on`` on."""

    old: UUID
    new: UUID
    effective_on: date


def closes_a_circle(links: Iterable[Link], old: UUID, new: UUID) -> bool:
    """Whether adding old -> new would lead from ``new`` back to ``old`` (or it is the same part)."""
    onward: dict[UUID, list[UUID]] = {}
    for link in links:
        onward.setdefault(link.old, []).append(link.new)
    seen, waiting = set(), [new]
    while waiting:
        here = waiting.pop()
        if here == old:
            return True
        if here not in seen:
            seen.add(here)
            waiting.extend(onward.get(here, ()))
    return False


def newest(links: Mapping[UUID, Link], part: UUID, today: date) -> tuple[UUID, ...]:
    """The chain from ``part`` to what replaces it today, step by step, without ``part`` itself."""
    chain: list[UUID] = []
    here = part
    while (link := links.get(here)) and link.effective_on <= today and link.new not in chain and link.new != part:
        chain.append(link.new)
        here = link.new
    return tuple(chain)

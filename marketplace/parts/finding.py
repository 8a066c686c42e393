"""How a part was found, in words: by which step, and why it is shown although its number was not asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from marketplace.parts.numbers import Match

STEP_WORDS: Mapping[Match, str] = {
    Match.EXACT: "exact number",
    Match.PREFIX: "no exact match; these begin with it",
    Match.SUBSTRING: "no exact match; these contain it",
    Match.FUZZY: "not in the catalogue; these are spelled much alike. Check before you order",
}


def step_words(step: Match | None) -> str:
    """How a number was found."""
    return STEP_WORDS[step] if step else "not found"


def relation_words(relation: str, steps: int, since: date | None, number: str, today: date) -> str:
    """Why a part is shown beside the one with ``number``: its relation to it, along so many steps of a chain, since when."""
    if relation == "alternate":
        return f"Alternate: may stand in for {number}"
    chain = f" ({steps} steps)" if steps > 1 else ""
    when = f"since {since.day} {since:%b %Y}" if since else ""
    if relation == "supersedes":
        return f"Older number: replaced by {number}{chain} {when}".strip()
    if since and since > today:
        return f"Will replace {number}{chain} from {since.day} {since:%b %Y}"
    return f"Replaces {number}{chain} {when}".strip()

"""The words of the watch: what a finding is called, a proposal in one sentence, the mail about what is new. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from marketplace.watching.reckoning import KINDS, Found, Level, Note

WORDS: Final[Mapping[str, str]] = {
    "lapse": "Rights end soon",
    "floor": "Minimum in danger",
    "fast": "Used up faster than assumed",
    "coverage": "Covered too little",
}
LEVELS: Final[Mapping[Level, str]] = {
    Level.VITAL: "Vital",
    Level.IMPORTANT: "Important",
    Level.ORDINARY: "Ordinary",
}
NOTES: Final[Mapping[Note, str]] = {
    Note.UNPRICED: "What ordering some of the units back costs is not known: their price is in a currency without a rate of the last 31 days.",
    Note.CONVERTED: "Some prices are in another currency, taken at your own newest rate.",
    Note.FOLLOWS: "Some prices follow an index, a list, a cost or a market: they are those of today, and move.",
    Note.NOT_REPLACED: "Units that are drawn under access-back are counted as paid; sending equal ones in time costs the fee alone.",
    Note.RENEWS: "Some rights go on by themselves unless somebody gives notice: Covered counts on that, Firm does not.",
    Note.MAY_RENEW: "Some rights can go on if both sides agree: nothing here counts on that.",
    Note.DECLINES: "Some minimum to keep declines: only what is left of it in the end counts as kept.",
}
"""What the figures rest on, or leave out."""
SHOWN: Final = 8


def kinds(flags: int) -> list[str]:
    """The names of what was found, in the order of ``KINDS``."""
    return [name for name, bit in KINDS.items() if flags & bit]


def notes(bits: int) -> list[str]:
    """What the figures of a part rest on, in sentences."""
    return [words for note, words in NOTES.items() if bits & note]


def percent(share: float) -> str:
    """'83 %'; never 100 % of what is not certain, nor 0 % of what is possible. '–' where it is not known."""
    if math.isnan(share):
        return "–"
    if share >= 0.995:
        return "over 99 %"
    return "under 1 %" if share < 0.005 else f"{share * 100:.0f} %"


def proposal(
    *,
    units: int,
    pool: int,
    sure: float,
    after: float,
    years: int,
    least: float,
    lapsing: int,
    lapses_in: float,
    flags: int,
) -> str:
    """What to do about a part, in one sentence without its money."""
    covered = f"{percent(sure)} sure to cover {years} {'year' if years == 1 else 'years'}"
    if units:
        reach = (
            "" if math.isnan(least) or after >= least else f"; {percent(least)} is not reached whatever is ordered back"
        )
        return f"Order back {units:,} of {pool:,} now: {percent(after)} instead of {covered}{reach}."
    if not pool:
        return f"{covered[0].upper()}{covered[1:]}, and no holder has a unit that could be ordered back."
    if flags & Found.LAPSE and not flags & Found.COVERAGE:
        months = max(round(lapses_in * 12), 0)
        return f"{lapsing:,} of {pool:,} {'goes' if lapsing == 1 else 'go'} out of reach, the first in {months} {'month' if months == 1 else 'months'}; {covered} all the same."
    return f"{covered[0].upper()}{covered[1:]}; ordering units back now would cost more than it averts."


def mail(
    new: Mapping[str, int], gone: int, first: Sequence[tuple[str, str]], call_units: int, money: str
) -> tuple[str, str]:
    """Subject and text about what a run found that nobody knew: ``new`` by kind, ``first``: (number, sentence) of those with the most
    at stake."""
    count = sum(new.values())
    subject = f"Coverage watch: {count:,} new {'finding' if count == 1 else 'findings'}"
    lines = [f"- {WORDS[kind]}: {n:,} {'part' if n == 1 else 'parts'}" for kind, n in new.items() if n]
    text = ["The watch over coverage found something new:", *lines, ""]
    if first:
        text += ["Most is at stake here:", *(f"- {number}: {words}" for number, words in first[:SHOWN]), ""]
    if call_units:
        text += [
            f"Proposed on the whole list: order back {call_units:,} {'unit' if call_units == 1 else 'units'} for about {money}.",
            "",
        ]
    if gone:
        text += [f"{gone:,} earlier {'finding holds' if gone == 1 else 'findings hold'} no longer.", ""]
    return subject, "\n".join([*text, "Each of them is told once. The list, with one press to a parts request each:"])

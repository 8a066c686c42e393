"""What became of which serial-numbered unit, as somebody names it: counts alone do not tell units apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from marketplace.kit.errors import invalid

GOOD = "good"
"""The fate of a unit that nobody names."""


def fates_of(
    named: Mapping[str, Sequence[str]],
    counts: Mapping[str, int],
    serials: Mapping[UUID, str],
    *,
    of: str,
    code: str,
    field: str,
) -> tuple[dict[UUID, str], dict[str, int]]:
    """The fate of each serial-numbered lot, and how many of each count are left for units without a serial number.

    ``named`` gives serials or lot ids by fate, ``counts`` how many met each; both say the same number of units.
    ``serials`` by lot. Nothing is guessed: raises ``<code>_unit`` (a name that is not here, stands twice, or exceeds
    its count) and ``<code>_which`` (units are not good and it is not said which). ``of`` begins the words: "Line 1".
    """
    fate = _named(named, serials, of=of, code=code, field=field)
    rest = dict(counts)
    for met in fate.values():
        rest[met] -= 1
    for met, left in rest.items():
        if left < 0:
            raise invalid(
                f"{code}_unit",
                f"{of}: {counts[met]:,} counted as {met}, but {counts[met] - left:,} named. Count as many as you name.",
                field=f"{field}.{met}",
            )
    unnamed = {lot: serial for lot, serial in serials.items() if lot not in fate}
    unsaid = [met for met, left in rest.items() if left and met != GOOD]
    if unsaid and unnamed:
        raise invalid(
            f"{code}_which",
            f"{of} has serial-numbered units: say which of them are {' and '.join(unsaid)}, by serial number. "
            f"Not named so far: {_some(unnamed)}.",
            field=field,
        )
    rest[GOOD] -= len(unnamed)
    return {lot: fate.get(lot, GOOD) for lot in serials}, rest


def _named(
    named: Mapping[str, Sequence[str]], serials: Mapping[UUID, str], *, of: str, code: str, field: str
) -> dict[UUID, str]:
    known = {name: lot for lot, serial in serials.items() for name in (str(lot), serial)}
    fate: dict[UUID, str] = {}
    for met, names in named.items():
        for index, name in enumerate(names):
            lot, place = known.get(name.strip()), f"{field}.{met}.{index}"
            if lot is None:
                have = f"Its serial numbers: {_some(serials)}." if serials else "It has no serial-numbered units."
                raise invalid(f"{code}_unit", f"{of}: {name[:40]} is not among its units. {have}", field=place)
            if lot in fate:
                raise invalid(f"{code}_unit", f"{of}: {serials[lot]} is named twice. Name each unit once.", field=place)
            fate[lot] = met
    return fate


def _some(serials: Mapping[UUID, str]) -> str:
    """The serials, the first ten."""
    said = ", ".join(sorted(serials.values())[:10])
    return f"{said} and {len(serials) - 10:,} more" if len(serials) > 10 else said

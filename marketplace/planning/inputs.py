"""What every formula asks of its arguments, in one place: a number that cannot be is refused in words and never computed with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from marketplace.kit.errors import invalid

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_HAZARD = 10.0
"""A year. A unit that lasts five weeks is no spare on a shelf: such a hazard was meant as a percentage, or as one of a month."""
MOST_YEARS = 100.0
MOST_UNITS = 1_000_000_000


def numbers(name: str, given: npt.ArrayLike, *, least: float = 0.0, most: float = float("inf")) -> Array:
    """``given`` as float64, every one finite and within the bounds.

    Raises ``planning.number`` naming the first that is not, by its position from 0.
    """
    try:
        found = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise invalid(
            "planning.number", f"{name.capitalize()} has something in it that is no number.", field=name
        ) from None
    wrong = ~(np.isfinite(found) & (found >= least) & (found <= most))
    if wrong.any():
        at = int(np.flatnonzero(wrong.ravel())[0])
        value = float(found.ravel()[at])
        where = f" (number {at:,} counted from 0)" if found.size > 1 else ""
        top = f" and at most {most:,.10g}" if np.isfinite(most) else ""
        raise invalid(
            "planning.number",
            f"{name.capitalize()} is {value:,.10g}{where}; it has to be a number of at least {least:,.10g}{top}.",
            field=name,
        )
    return found


def hazards(name: str, given: npt.ArrayLike) -> Array:
    """Hazards, and other shares, a year. Raises ``planning.hazard`` above ``MOST_HAZARD``: 12 % a year is written 0.12."""
    found = numbers(name, given)
    if (found > MOST_HAZARD).any():
        why = ": a unit would last less than five weeks" if name == "hazard" else ""
        raise invalid(
            "planning.hazard",
            f"{name.capitalize()} is {float(found.max()):,.10g} a year{why}. Write 12 % a year as 0.12, and a rate of a month "
            f"times 12; at most {MOST_HAZARD:g}.",
            field=name,
        )
    return found


def years(given: npt.ArrayLike) -> Array:
    """Horizons in years, 0 to 100. Raises ``planning.number``."""
    return numbers("horizon", given, most=MOST_YEARS)


def units(name: str, given: npt.ArrayLike) -> Array:
    """Whole units, as floats. Raises ``planning.number`` and ``planning.whole``."""
    found = numbers(name, given, most=MOST_UNITS)
    if (found != np.floor(found)).any():
        raise invalid("planning.whole", f"{name.capitalize()} has to be whole units.", field=name)
    return found


def added(at: Ints, amounts: Array, size: int) -> Array:
    """Sums of the amounts by their place, 0 to ``size`` - 1."""
    return np.bincount(at, weights=amounts, minlength=size).astype(np.float64)

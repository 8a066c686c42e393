"""From when on a posting is open to whom. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from marketplace.kit.clock import require_utc
from marketplace.kit.errors import invalid

MOST_WINDOWS = 10
MOST_WHO = 500
"""Partners and groups of one posting, and partners of one group."""


@dataclass(frozen=True, slots=True)
class Window:
    """From a moment on (None: from publishing on) a posting is open to these partners, these groups, or everyone."""

    opens_at: datetime | None = None
    everyone: bool = False
    group_ids: tuple[UUID, ...] = ()
    partner_ids: tuple[UUID, ...] = ()


def checked(windows: Sequence[Window]) -> tuple[Window, ...]:
    """The windows, earliest first. Raises ``release.audience`` where nobody is admitted, ``release.windows`` for an empty one, one that
    admits nobody anew since everyone was admitted before, or too many."""
    if not windows:
        raise invalid("release.audience", "Open it to somebody: partners, groups or everyone.", field="windows")
    if len(windows) > MOST_WINDOWS or sum(len(w.group_ids) + len(w.partner_ids) for w in windows) > MOST_WHO:
        raise invalid(
            "release.windows",
            f"At most {MOST_WINDOWS} windows with {MOST_WHO} partners and groups in all.",
            field="windows",
        )
    timed = [
        Window(None if w.opens_at is None else require_utc(w.opens_at), w.everyone, tuple(dict.fromkeys(w.group_ids)), tuple(dict.fromkeys(w.partner_ids)))
        for w in windows
    ]  # fmt: skip
    told = sorted(timed, key=lambda w: (w.opens_at is not None, w.opens_at.timestamp() if w.opens_at else 0.0))
    for number, w in enumerate(told):
        if not (w.everyone or w.group_ids or w.partner_ids):
            raise invalid(
                "release.windows",
                "A window names nobody: choose partners, groups or everyone, or leave it out.",
                field="windows",
            )
        if any(before.everyone for before in told[:number]):
            raise invalid(
                "release.windows",
                "It is open to everyone before its last window opens: leave that window out.",
                field="windows",
            )
    return tuple(told)


Why = Literal["seen", "later", "not_asked", "blocked", "not_cleared"]


@dataclass(frozen=True, slots=True)
class Admission:
    """What stands between a partner and a line. ``out``: the line is published; ``uncleared``: it is controlled, and the partner is
    not cleared; ``at_once``: open to it from publishing on; ``opens_at``: the first window that admits it."""

    out: bool
    blocked: bool
    uncleared: bool
    at_once: bool
    opens_at: datetime | None
    now: datetime

    @property
    def why(self) -> Why:
        """Whether the line is seen now, or would be if it were published now; else the first thing in the way."""
        if self.blocked:
            return "blocked"
        if self.uncleared:
            return "not_cleared"
        if self.at_once or (self.opens_at is not None and self.opens_at <= self.now):
            return "seen"
        return "later" if self.opens_at is not None else "not_asked"

    @property
    def seen(self) -> bool:
        """Whether the partner sees the line now."""
        return self.out and self.why == "seen"

"""A search as it is kept: what the form that saves it sends along, and how it is opened again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from web.forms import Form

PREFIX: Final = "filter-"


@dataclass(frozen=True, slots=True)
class Saving:
    """What a page is asked, to be kept. Where the person is at the moment is no part of it."""

    kind: str
    numbers: str
    filters: Mapping[str, str] = field(default_factory=dict)
    urgency: str = ""
    site: str = ""
    key: str = field(default_factory=lambda: Form().key)
    """Against saving it twice."""

    @property
    def hidden(self) -> dict[str, str]:
        """The fields that the form sends along unseen."""
        given = {"kind": self.kind, "numbers": self.numbers, "urgency": self.urgency, "site": self.site}
        return {
            **{k: v for k, v in given.items() if v},
            **{PREFIX + name: value for name, value in self.filters.items()},
        }

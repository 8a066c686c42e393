"""The legal limits as they come with the program."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from marketplace.agreements.law import LawBook, read_rules


@cache
def rules() -> LawBook:
    """The rules of ``legal_limits.toml``, read once."""
    return read_rules((files("marketplace.agreements") / "legal_limits.toml").read_bytes())

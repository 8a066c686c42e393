"""The states of a call that others count by; its whole machine is ``agreements/states.py``."""

from __future__ import annotations

from typing import Final

BINDING: Final = ("accepted", "picked", "defaulted")
"""Orders that have not shipped and that their holder is bound to."""
OPEN: Final = ("allocated", "noticed", "accepted")
"""Orders that can be taken back with the request that asked for them."""
CAME_TO_NOTHING: Final = ("refused", "cancelled", "defaulted", "lost")
"""Calls by which no unit comes, or that is made up for by nobody: what was asked for is lacking again."""

"""Kinds of security interests, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "ucc1": "UCC-1 financing statement",
    "ppsa": "PPSA registration",
    "retention_of_title": "Retention of title",
    "pledge": "Pledge",
    "lien": "Lien",
    "other": "Other",
}

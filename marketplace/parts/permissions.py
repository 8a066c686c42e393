"""Who may do what with the catalogue."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsParts = Annotated[Actor, reader("parts.read")]
WritesParts = Annotated[Actor, writer("parts.write")]

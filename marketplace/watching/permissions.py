"""Who may read the watch, and who may have it look and say what it looks for: those of the advisor."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsWatch = Annotated[Actor, reader("planning.read")]
WritesWatch = Annotated[Actor, writer("planning.write")]

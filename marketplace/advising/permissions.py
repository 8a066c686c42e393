"""Who may see histories and advice, and who may bring them in and decide on them."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsPlanning = Annotated[Actor, reader("planning.read")]
WritesPlanning = Annotated[Actor, writer("planning.write")]

"""Who may do what with what is owed."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsSettlement = Annotated[Actor, reader("settlement.read")]
MarksSettlement = Annotated[Actor, writer("settlement.mark")]

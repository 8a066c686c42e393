"""Who may do what with quality holds and recalls."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsRecalls = Annotated[Actor, reader("stock.read")]
Orders = Annotated[Actor, writer("ledger.freeze")]
Answers = Annotated[Actor, writer("holding.act")]

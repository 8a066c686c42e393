"""Who may take evidence out of the ledger, and who may register a witness of its log."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ProvesUnits = Annotated[Actor, reader("ledger.prove")]
ReadsLog = Annotated[Actor, reader("stock.read")]
RegistersWitness = Annotated[Actor, writer("ledger.witness")]

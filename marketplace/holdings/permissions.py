"""Who may do what with units the company holds."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsStock = Annotated[Actor, reader("stock.read")]
ReadsAgreements = Annotated[Actor, reader("agreement.read")]
Concludes = Annotated[Actor, writer("agreement.sign")]
ActsOnHoldings = Annotated[Actor, writer("holding.act")]
FreezesUnits = Annotated[Actor, writer("ledger.freeze")]
CorrectsLedger = Annotated[Actor, writer("ledger.correct")]

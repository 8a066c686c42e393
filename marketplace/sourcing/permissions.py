"""Who may do what when sourcing."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

FindsRecords = Annotated[Actor, reader("listing.read")]
ReadsSearches = Annotated[Actor, reader("listing.read")]
KeepsSearches = Annotated[Actor, writer("listing.read")]
"""Whoever may search at all; what is kept changes nothing for anybody else."""
ReadsSourcing = Annotated[Actor, reader("sourcing.read")]
Requests = Annotated[Actor, writer("sourcing.request")]
Approves = Annotated[Actor, writer("sourcing.approve")]
ReadsCalls = Annotated[Actor, reader("call.read")]
AnswersCalls = Annotated[Actor, writer("call.answer")]
WritesMessages = Annotated[Actor, writer("call.message")]
ReceivesCalls = Annotated[Actor, writer("call.receive")]
ShipsReplacements = Annotated[Actor, writer("order.ship")]
ReceivesReplacements = Annotated[Actor, writer("order.receive")]
ReadsEqualStock = Annotated[Actor, reader("order.ship")]
ReportsLost = Annotated[Actor, writer("call.read")]
"""Whoever answers for the holder or receives for the asker: asked once it is known which side it is."""
SettlesUnits = Annotated[Actor, writer("settlement.mark")]
EndsAgreements = Annotated[Actor, writer("agreement.sign")]
ReadsBreaches = Annotated[Actor, reader("agreement.read")]
SellsBack = Annotated[Actor, writer("agreement.sign")]
ReadsRecords = Annotated[Actor, reader("agreement.read")]
"""Of a partner by name: closed to those to whom their company does not name its holders."""
StatesCascades = Annotated[Actor, writer("company.manage")]
StatesRates = Annotated[Actor, writer("company.manage")]

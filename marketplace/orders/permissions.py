"""Who may do what with orders."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsOrders = Annotated[Actor, reader("order.read")]
PlacesOrders = Annotated[Actor, writer("order.place")]
DecidesOrders = Annotated[Actor, writer("order.decide")]
ShipsOrders = Annotated[Actor, writer("order.ship")]
ReceivesOrders = Annotated[Actor, writer("order.receive")]
WritesMessages = Annotated[Actor, writer("order.message")]
AnswersQuotes = Annotated[Actor, writer("quote.answer")]
"""Either side; the service asks for the verb of the side."""

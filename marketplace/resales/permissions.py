"""Who may do what with resales."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsResales = Annotated[Actor, reader("agreement.read")]
SignsResales = Annotated[Actor, writer("agreement.sign")]
ShipsResales = Annotated[Actor, writer("call.answer")]
ReceivesResales = Annotated[Actor, writer("order.receive")]

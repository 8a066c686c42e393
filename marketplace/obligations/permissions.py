"""Who may see what is due. Each kind is further bound to the verb of its record."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import ManagesCompany, reader

ReadsObligations = Annotated[Actor, reader("obligation.read")]
ChangesReminders = ManagesCompany

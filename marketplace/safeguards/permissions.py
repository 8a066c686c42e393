"""Who may do what with safeguards."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsSafeguards = Annotated[Actor, reader("agreement.read")]
KeepsSafeguards = Annotated[Actor, writer("agreement.sign")]

"""Who may read what the company's people did."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader

ReadsActivity = Annotated[Actor, reader("company.activity")]

"""Who may do what with releases and listings."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsListings = Annotated[Actor, reader("listing.read")]
ReadsReleases = Annotated[Actor, reader("release.read")]
WritesReleases = Annotated[Actor, writer("release.write")]
StatesLimits = Annotated[Actor, writer("company.manage")]

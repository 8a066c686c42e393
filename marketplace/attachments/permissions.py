"""Who may do what with documents. Each is further bound to the verbs of the thing that it hangs on (``rules``)."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsDocuments = Annotated[Actor, reader("document.read")]
AddsDocuments = Annotated[Actor, writer("document.add")]

"""Who may import stock files."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsImports = Annotated[Actor, reader("import.read")]
WritesImports = Annotated[Actor, writer("stock.import")]

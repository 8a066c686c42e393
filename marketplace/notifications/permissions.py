"""Who may do what with notifications: everybody with their own."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsNotifications = Annotated[Actor, reader("notification.read")]
KeepsNotifications = Annotated[Actor, writer("notification.read")]

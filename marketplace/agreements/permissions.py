"""Who may do what with agreements."""

from __future__ import annotations

from typing import Annotated

from marketplace.parties.actor import Actor
from marketplace.parties.permissions import reader, writer

ReadsAgreements = Annotated[Actor, reader("agreement.read")]
SignsAgreements = Annotated[Actor, writer("agreement.sign")]
ActsOnHoldings = Annotated[Actor, writer("holding.act")]
AnswersNotices = Annotated[Actor, writer("agreement.sign")]
"""What a notice is answered with binds the company, as a signature does."""

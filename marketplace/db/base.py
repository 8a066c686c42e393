"""The base of every table row, and the column types we use."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, MetaData, Numeric, String, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PGUUID
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(DeclarativeBase):
    """A table row. Rows carry no relationships: queries join on purpose, so nothing loads lazily by accident."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        UUID: PGUUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
        list[UUID]: ARRAY(PGUUID(as_uuid=True)),
        Decimal: Numeric(16, 4),
    }


Id = Annotated[UUID, mapped_column(primary_key=True, server_default=text("uuidv7()"))]
Created = Annotated[datetime, mapped_column(server_default=func.now())]
Currency = Annotated[str, mapped_column(String(3))]
Big = Annotated[int, mapped_column(BigInteger)]
# Normalised numbers compare by bytes, so that a prefix is a range (x <= n < y) that row level security and
# the planner both keep as an index scan.
Normalised = Annotated[str, mapped_column(Text(collation="C"))]

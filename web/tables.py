"""What a table on a page needs to know about its own address: sort links, filters, the next page, the export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode

from starlette.requests import Request

Align = Literal["start", "end"]
SORT, AFTER, FORMAT = "sort", "after", "format"
TAB_NAMES = frozenset({"status", "state", "tab", "right", "check"})
"""Parameters that choose a tab of a list, where others narrow it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``key`` names it in the address (``?sort=-price``), ``label`` heads it."""

    key: str
    label: str
    align: Align = "start"
    sortable: bool = False
    hidden_label: bool = False
    """The heading is for screen readers only (a column of buttons)."""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table's columns and the part of the address that describes what it shows. Immutable.

    ``query`` holds every parameter except sort and after, in the order given, so that links keep the filters.
    ``next_mark`` is the bookmark of the next page (``Page.next``), set by ``with_next``.
    """

    path: str
    columns: tuple[Column, ...]
    query: tuple[tuple[str, str], ...] = ()
    sort: str | None = None
    descending: bool = False
    after: str | None = None
    next_mark: str | None = None

    @classmethod
    def of(cls, request: Request, columns: Sequence[Column], *, default_sort: str | None = None) -> TableView:
        """The view that a request asks for; a sort by a column that cannot be sorted is the default one."""
        asked = request.query_params.get(SORT) or default_sort or ""
        key = asked.removeprefix("-")
        if key not in {column.key for column in columns if column.sortable}:
            asked = default_sort or ""
            key = asked.removeprefix("-")
        kept = tuple((k, v) for k, v in request.query_params.multi_items() if k not in {SORT, AFTER, FORMAT} and v)
        return cls(
            path=request.url.path,
            columns=tuple(columns),
            query=kept,
            sort=key or None,
            descending=asked.startswith("-"),
            after=request.query_params.get(AFTER) or None,
        )

    def with_next(self, mark: str | None) -> TableView:
        """The same view, knowing where the next page starts."""
        return replace(self, next_mark=mark)

    @property
    def sort_value(self) -> str | None:
        """The sort as it stands in the address: ``price`` or ``-price``."""
        return None if self.sort is None else f"{'-' if self.descending else ''}{self.sort}"

    def filter_value(self, name: str) -> str:
        """The first value of a filter, or an empty string."""
        return next((value for key, value in self.query if key == name), "")

    def filter_values(self, name: str) -> tuple[str, ...]:
        """Every value of a filter that may be given more than once."""
        return tuple(value for key, value in self.query if key == name)

    def aria_sort(self, column: Column) -> str | None:
        """The value of aria-sort, or None for a column the rows are not sorted by."""
        if column.key != self.sort:
            return None
        return "descending" if self.descending else "ascending"

    def sort_href(self, column: Column) -> str:
        """Sort by this column, or turn the order round; always starts from the first page."""
        turned = column.key == self.sort and not self.descending
        return self._href((*self.query, (SORT, f"-{column.key}" if turned else column.key)))

    def next_href(self) -> str | None:
        """The next page, or None on the last."""
        return None if self.next_mark is None else self._href((*self._sorted(), (AFTER, self.next_mark)))

    def first_href(self) -> str | None:
        """Back to the first page, or None when this is it."""
        return None if self.after is None else self._href(self._sorted())

    def export_href(self, kind: str = "csv") -> str:
        """All rows of this view, not only this page, as a file."""
        return self._href((*self._sorted(), (FORMAT, kind)))

    @property
    def narrowed(self) -> bool:
        """Whether something beside a tab is in force."""
        return any(key not in TAB_NAMES for key, _ in self.query)

    def without(self, name: str, value: str | None = None) -> str:
        """This view without one filter (or without one value of it)."""
        kept = tuple((k, v) for k, v in self._sorted() if k != name or (value is not None and v != value))
        return self._href(kept)

    def cleared_href(self) -> str:
        """This view without any filter."""
        return self._href(((SORT, self.sort_value),) if self.sort_value else ())

    def _sorted(self) -> tuple[tuple[str, str], ...]:
        return (*self.query, (SORT, self.sort_value)) if self.sort_value else self.query

    def _href(self, query: Sequence[tuple[str, str]]) -> str:
        return f"{self.path}?{urlencode(query)}" if query else self.path

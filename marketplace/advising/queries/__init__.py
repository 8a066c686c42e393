"""Reads of advising, by what they are about."""

from marketplace.advising.queries.demand import (
    DemandFile,
    IssueRow,
    Said,
    copy_history,
    counting_files,
    demand_file,
    demand_file_for_update,
    demand_files,
    demand_issues,
    maker_named,
    own_makers,
    parts_numbered,
    said_of_parts,
    same_demand_file,
)

__all__ = [
    "DemandFile",
    "IssueRow",
    "Said",
    "copy_history",
    "counting_files",
    "demand_file",
    "demand_file_for_update",
    "demand_files",
    "demand_issues",
    "maker_named",
    "own_makers",
    "parts_numbered",
    "said_of_parts",
    "same_demand_file",
]

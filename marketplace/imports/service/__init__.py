"""The verbs of imports: upload a file, choose its columns, stage, validate, land it, decide on differences."""

from marketplace.imports.service.catalogue import bring_prices_up_to_date
from marketplace.imports.service.deciding import MAX_AT_ONCE, Decision, decide
from marketplace.imports.service.fixing import MOST_ROWS, fix_rows
from marketplace.imports.service.mapping import change_mapping, choose_landing, refuse_cancelled
from marketplace.imports.service.running import RUN, SMALL_FILE_BYTES, ask_worker, cancel, note_refusal, run
from marketplace.imports.service.undoing import undo
from marketplace.imports.service.uploading import MODES, TAKES, Uploaded, arriving, upload

__all__ = [
    "MAX_AT_ONCE",
    "MODES",
    "MOST_ROWS",
    "RUN",
    "SMALL_FILE_BYTES",
    "TAKES",
    "Decision",
    "Uploaded",
    "arriving",
    "ask_worker",
    "bring_prices_up_to_date",
    "cancel",
    "change_mapping",
    "choose_landing",
    "decide",
    "fix_rows",
    "note_refusal",
    "refuse_cancelled",
    "run",
    "undo",
    "upload",
]

"""The verbs of imports: upload a file, choose its columns, stage, validate, land it, decide on differences."""

from marketplace.imports.service.deciding import Decision, decide
from marketplace.imports.service.mapping import change_mapping, set_mode
from marketplace.imports.service.running import SMALL_FILE_BYTES, cancel, run
from marketplace.imports.service.uploading import MODES, Uploaded, upload

__all__ = [
    "MODES",
    "SMALL_FILE_BYTES",
    "Decision",
    "Uploaded",
    "cancel",
    "change_mapping",
    "decide",
    "run",
    "set_mode",
    "upload",
]

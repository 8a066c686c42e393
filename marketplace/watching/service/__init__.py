"""The verbs of the watch: look, say what to look for, act on what was found."""

from marketplace.watching.service.acting import MOST_PARTS, request_call, set_watch, state_levels
from marketplace.watching.service.running import RUN_WATCH, begin, make_watch, start_watch

__all__ = ["MOST_PARTS", "RUN_WATCH", "begin", "make_watch", "request_call", "set_watch", "start_watch", "state_levels"]

"""The verbs of advising: bring in demand, have advice made, decide on it."""

from marketplace.advising.service.demand import READ_DEMAND, UploadedDemand, land_demand, upload_demand, withdraw_demand
from marketplace.advising.service.looking import Outcome, came, compared, frontier_of
from marketplace.advising.service.releasing import MOST_REASON, accept, decide_otherwise
from marketplace.advising.service.running import MOST_NAME, RUN_ADVICE, make_advice, start_run

__all__ = [
    "MOST_NAME",
    "MOST_REASON",
    "READ_DEMAND",
    "RUN_ADVICE",
    "Outcome",
    "UploadedDemand",
    "accept",
    "came",
    "compared",
    "decide_otherwise",
    "frontier_of",
    "land_demand",
    "make_advice",
    "start_run",
    "upload_demand",
    "withdraw_demand",
]

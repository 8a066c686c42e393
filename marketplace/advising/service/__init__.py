"""The verbs of advising: bring in demand, have advice made, decide on it."""

from marketplace.advising.service.demand import READ_DEMAND, UploadedDemand, land_demand, upload_demand, withdraw_demand
from marketplace.advising.service.releasing import MOST_REASON, accept, decide_otherwise
from marketplace.advising.service.running import RUN_ADVICE, make_advice, start_run

__all__ = [
    "MOST_REASON",
    "READ_DEMAND",
    "RUN_ADVICE",
    "UploadedDemand",
    "accept",
    "decide_otherwise",
    "land_demand",
    "make_advice",
    "start_run",
    "upload_demand",
    "withdraw_demand",
]

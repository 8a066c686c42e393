"""The verbs of advising: bring in demand, have advice made, decide on it."""

from marketplace.advising.service.demand import READ_DEMAND, UploadedDemand, land_demand, upload_demand, withdraw_demand

__all__ = ["READ_DEMAND", "UploadedDemand", "land_demand", "upload_demand", "withdraw_demand"]

"""The watch over coverage: how sure a manufacturer's parts are, from what stands in the ledger, and what to call back in time."""

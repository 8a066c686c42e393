"""The port to the job queue: what runs later, what runs on a schedule."""

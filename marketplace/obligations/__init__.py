"""Obligations: what is due, from whom, to whom, by when, and what happens if not; the reminders of it, and its feed."""

"""Agreements: clause texts and their evaluation; frameworks, schedules (agreements), signatures, permits."""

"""Sourcing: availability across partners, requisitions (parts requests), plans, calls (ordering units back)."""

"""Sourcing on the wire: searches, requests and orders; what comes back."""

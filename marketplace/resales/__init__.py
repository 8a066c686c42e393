"""Selling units on that somebody has a right in: the maker consents, the buyer joins the agreement, the right stays."""

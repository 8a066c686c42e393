"""Listings: a manufacturer's releases (surplus postings) and their lines as partners see them."""

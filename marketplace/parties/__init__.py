"""Parties: companies, sites, people and their roles, API keys, sessions, delegations; the actor and what it may do."""

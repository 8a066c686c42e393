"""The demo world: real public stock records under invented companies, built in memory and copied into the database.

Nouns: sources (the packed public data), world (every row the demo starts with), basis (whether a fact is from
the record or made up), scene and recent (the newest agreements, lived through the services once the world is loaded).
"""

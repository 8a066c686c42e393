"""Planning: whether to release, keep or scrap a part, and how sure its supply stays afterwards.

Nouns: history (units asked for a month), class, rate (units a year) with its interval, hazard (share of the units with
partners that they use up a year), coverage, marginal value of a unit, advice, frontier. Everything here is pure: arrays
in, arrays out, for one part or a million. Values are estimates that a planner weighs, so they are floats; no amount that
anybody owes is ever computed here.
"""

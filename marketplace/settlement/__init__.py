"""Settlement: what is owed after a call: one line at the clause's price, marked settled by both sides."""

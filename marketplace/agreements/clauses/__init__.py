"""One module per clause: what its right costs, beyond what all clauses share."""

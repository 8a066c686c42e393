"""Holdings: what a holder does with the units it has: move, use, install, scrap, count."""

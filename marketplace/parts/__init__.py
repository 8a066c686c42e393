"""Parts: makers, the catalogue, numbers as printed and normalised, supersession, alternates, units of measure."""

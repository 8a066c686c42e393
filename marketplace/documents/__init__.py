"""Documents: papers as typed blocks, and those blocks set as PDF."""

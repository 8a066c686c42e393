"""Backstock: a partner marketplace with a shared-access ledger for partnerized inventory management."""

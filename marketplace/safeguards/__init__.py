"""What protects a maker's rights when a holder fails: insolvency records with their legal holds, security interests."""

"""What a company's people did, when: read from the facts that other domains keep, and keeping none of its own."""

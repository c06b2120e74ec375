"""Floor 2: what is wanted, as resources in order."""

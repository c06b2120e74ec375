"""Floor 4: what would be done and why; pure."""

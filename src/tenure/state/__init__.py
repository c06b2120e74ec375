"""Floor 3: what is recorded, and how it is kept."""

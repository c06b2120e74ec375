"""Floor 8: plan, apply, observe, run. Knows no stage by name."""

"""Stage `features`: which columns a model sees, and how they become numbers."""

"""Monitoring: what is watched while a version serves, when it counts as confirmed, and what follows from it."""

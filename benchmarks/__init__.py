"""Figures a user feels: starting, planning when nothing changed, answering one request."""

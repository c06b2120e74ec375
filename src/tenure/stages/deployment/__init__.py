"""Deployment: which version serves which share of the traffic, how a new one takes over, what is logged."""

"""A spec proposed from a file of data: what was found in it, what follows, and why. See `proposing.propose`."""

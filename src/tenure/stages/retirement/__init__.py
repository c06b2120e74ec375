"""How a model ends: criteria, dates, successor, consumers, archive and tombstone."""

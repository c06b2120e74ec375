"""Who is responsible, what was decided, and the record of it."""

"""Floor 6: the vocabulary, one folder per YAML section; stages do not know one another."""

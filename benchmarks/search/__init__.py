"""How soon a search finds a good model, beside what people would otherwise use: each tool as whole processes, in an
environment of its own, on the same rows."""

"""Floor 1: from YAML text to a validated value; generic over the document."""

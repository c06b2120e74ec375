"""Floor 0: values every other floor speaks in; imports nothing of ours."""

"""Floor 9: the model server. One process that follows the recorded endpoints and swaps versions without a pause."""

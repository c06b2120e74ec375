"""What protects the model's record, and under which name it was known before."""

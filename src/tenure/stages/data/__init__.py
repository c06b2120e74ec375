"""Data: sources read, joined, filtered, cleaned, checked and split into one snapshot."""

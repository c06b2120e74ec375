"""Stage `evaluation`: how good the model is on rows it has never seen, and whether it may be released."""

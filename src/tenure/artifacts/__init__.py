"""Floor 3: content-addressed blobs, their digest checked on every read."""

"""Files of what was derived from the ground: they may be deleted, and come back equal."""

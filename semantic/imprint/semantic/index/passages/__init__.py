"""Content cut into passages that versions of it share."""

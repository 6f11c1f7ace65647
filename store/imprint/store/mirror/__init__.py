"""Mirrors: which hosted repositories are kept in step with others, and how that goes. See `upstream`."""

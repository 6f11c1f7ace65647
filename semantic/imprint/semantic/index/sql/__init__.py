"""The index's SQL side."""

"""The index: what was extracted, kept by content, and how far it has come."""

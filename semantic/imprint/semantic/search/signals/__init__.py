"""What speaks for a passage beside its words: its path, its file, and its past."""

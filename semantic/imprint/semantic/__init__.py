"""The semantic layer: entities, search and symbols, keyed by content, at the head of every ref."""

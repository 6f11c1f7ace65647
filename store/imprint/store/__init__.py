"""The store: Git objects, refs, events and provenance; nothing accepted is ever lost."""

"""The store: Git objects, refs, events and provenance; every push whole or not at all, nothing accepted lost."""

"""The archive of agent sessions and provenance records: what was said, what it cost, and what it made."""

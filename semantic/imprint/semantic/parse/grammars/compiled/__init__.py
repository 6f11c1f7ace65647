"""Languages of applications and systems, compiled: one module each, holding only its data."""

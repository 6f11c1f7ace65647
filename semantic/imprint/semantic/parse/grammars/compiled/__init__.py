"""Languages that compile ahead of time, for applications and systems: one module each, holding only its data."""

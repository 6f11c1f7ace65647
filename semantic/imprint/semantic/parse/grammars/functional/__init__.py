"""Functional languages: one module each, holding only its data."""

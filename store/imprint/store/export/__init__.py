"""Provenance written in others' formats, from everything that is known here."""

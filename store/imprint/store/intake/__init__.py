"""Provenance that others wrote: found in refs and files, read, and kept in the archive."""

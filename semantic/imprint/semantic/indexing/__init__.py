"""Bringing contents into the index: whole histories, and from one version of it to the next."""

"""Answers of the catalogue's database that are kept while nobody commits."""

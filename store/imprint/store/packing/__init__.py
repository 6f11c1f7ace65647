"""Packs for clients, made in this process from what git's own files say: indexes, bitmaps, commit-graph."""

"""Queries against one commit: candidates, ranking, hits."""

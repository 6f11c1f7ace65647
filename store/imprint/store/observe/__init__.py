"""Observation: lines of commits matched with the edits that transcripts of sessions hold."""

"""Coding agents: their transcript formats, read into one model."""

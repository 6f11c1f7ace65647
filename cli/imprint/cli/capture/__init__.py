"""Capture on a developer's machine: hooks of agents and of git, and the sweep that keeps what they report."""

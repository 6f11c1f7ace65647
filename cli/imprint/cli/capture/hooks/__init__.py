"""Hooks of agents and of git: what they run, and how they get into files that others write too."""

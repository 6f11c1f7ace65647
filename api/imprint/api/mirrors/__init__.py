"""Mirrors over REST, and their rounds while a server runs."""

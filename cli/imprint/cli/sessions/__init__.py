"""Recorded sessions, asked for in this process or of a server."""

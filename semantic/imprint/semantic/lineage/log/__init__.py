"""How the change log is read from git and kept: streams of commits, and segments of arrays."""

"""Exported documents on their way out: into refs of a repository, or into files."""

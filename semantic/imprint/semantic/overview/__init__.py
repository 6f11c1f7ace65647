"""Code at a glance: the outline of a file, a map of a repository, what a change can reach."""

"""Taking over an existing repository, and saying what git's checks have against it."""

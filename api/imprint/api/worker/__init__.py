"""A server process that another one started, watches and ends."""

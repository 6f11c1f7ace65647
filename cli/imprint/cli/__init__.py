"""The command line: for a server, a data folder, or any clone."""

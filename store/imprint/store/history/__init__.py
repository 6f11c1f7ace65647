"""History read in bulk, and where each line of it came from."""

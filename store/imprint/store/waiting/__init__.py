"""How threads and processes wait for each other: locks, and work that is done together."""

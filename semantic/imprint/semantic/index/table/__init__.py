"""LanceDB in a process of its own."""

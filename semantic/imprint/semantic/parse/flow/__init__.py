"""What a file takes from elsewhere and what its names stand for: raw material for the graph."""

"""What git asks most often, answered without a trip through threads and routes."""

"""The catalogue: the one place that decides what the store holds."""

"""Git objects: read through one port, whatever keeps them."""

"""Pushes, malformed and well-formed, and whether git receive-pack and Imprint say the same of them."""

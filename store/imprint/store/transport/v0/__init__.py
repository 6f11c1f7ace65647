"""Protocol versions 0 and 1 of fetch: the server shows its refs, then both sides say what they have."""

"""Packs on their way to clients and from them: what is packed, for whom, and where a pack ends."""

"""The bytes of a pack, put together from entries that lie in packs here."""

"""Provenance as others write it: trailers, identities, notes, checkpoints, trace records."""

"""Prompts and transcripts: encrypted texts under their own keys, outside the Git object store."""

"""Secrets are taken out of prompts and transcripts before anything is written."""

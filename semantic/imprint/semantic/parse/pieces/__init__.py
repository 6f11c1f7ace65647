"""Definitions that a language writes in several pieces."""

"""Refs: names that point at objects; read through one port, changed at the commit point only."""

"""Rounds of mirrors: git on a network, and what it brings handed to the receiver."""

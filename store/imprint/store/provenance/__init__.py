"""The ledger of who delivered and who declared what, filled from events, commits and notes."""

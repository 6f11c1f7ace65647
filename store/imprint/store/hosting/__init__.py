"""A data folder and its repositories: opening, naming, tokens, sessions, and who follows the events."""

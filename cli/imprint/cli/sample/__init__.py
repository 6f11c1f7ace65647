"""The sample repository: a small bookkeeping project with a history of people and agents."""

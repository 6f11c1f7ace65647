"""Source text to entities, references and chunks; pure functions of a blob."""

"""The ways to find: by words, exactly, by pattern; in code, code that is gone, commits and prompts."""

"""Protocol version 2 of fetch: commands, each a question and an answer of its own."""

"""Who wrote a line, by whose word, and on what evidence."""

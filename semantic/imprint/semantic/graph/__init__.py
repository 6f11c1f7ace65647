"""Between definitions and uses at one commit: which call reaches which definition, and how sure that is."""

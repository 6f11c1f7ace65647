"""JavaScript and TypeScript files to programs; each module adds a kind of node to the one before it."""

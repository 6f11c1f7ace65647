"""Small packs, which need no git and no file before they land."""

"""Git's files, mapped and read as arrays: pack indexes, packs, bitmaps, the commit-graph."""

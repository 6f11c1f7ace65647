"""Git LFS over HTTP: which objects go where, their content, and locks."""

"""Large objects (Git LFS): files kept by the hash of their content, and locks on paths."""

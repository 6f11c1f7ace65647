"""The way back of one definition: old contents, what is the same in two of them, the walk, its steps."""

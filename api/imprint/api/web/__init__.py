"""Web pages: rendered here, plain HTML with one style sheet and no script."""

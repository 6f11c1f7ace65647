"""Every question about code over REST: one route for each, made from the table of questions."""

"""Sessions over REST and in pages: delivered, listed, read by whoever may, and erased."""

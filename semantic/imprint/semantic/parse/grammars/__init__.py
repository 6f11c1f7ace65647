"""One module per language, holding only its data: a `Grammar`."""

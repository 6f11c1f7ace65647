"""Scripts, numerics and configuration: one module each, holding only its data."""

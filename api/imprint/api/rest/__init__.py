"""REST: JSON in and out, one module per noun. Shapes that lower layers render are passed on as they are."""

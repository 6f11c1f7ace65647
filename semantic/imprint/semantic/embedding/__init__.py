"""From text to vectors whose nearness is nearness of meaning."""

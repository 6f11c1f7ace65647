"""Maintenance: many packs become few, lookups stay fresh, and nothing that was accepted is lost meanwhile."""

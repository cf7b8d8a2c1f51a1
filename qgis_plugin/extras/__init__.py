"""Tools that are no steps of the catalogue."""

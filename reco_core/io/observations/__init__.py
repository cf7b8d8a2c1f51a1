"""Readers of flux observations: towers, chambers and plain tables."""

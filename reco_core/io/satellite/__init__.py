"""Satellite granules and exports, with their quality bits."""

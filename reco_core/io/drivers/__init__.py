"""Gridded drivers from files of any kind, as one dataset on one grid and calendar."""

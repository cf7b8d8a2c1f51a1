"""Models on grids: tiles, what is computed on them, and where it may be believed."""

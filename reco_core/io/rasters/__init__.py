"""Rasters and cubes on disk: grids, formats, regions, styles."""

"""Drivers made of other drivers: indices, smooth series, phenology, water balance, soil, season."""

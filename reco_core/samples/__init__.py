"""Observations and drivers become samples, and samples become folds."""

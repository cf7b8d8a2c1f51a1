"""How good a model is on sites that it has not seen, and how it differs from another."""

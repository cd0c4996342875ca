"""Measurements of the bundled model on held-out brands, products, labels, codes, wordings and combinations."""

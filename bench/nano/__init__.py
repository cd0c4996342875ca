"""Measurements of the embedded model on held-out brands, products, labels, codes, wordings and combinations."""

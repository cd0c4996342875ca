"""Measures of loading and the audit on real sets and made-up large ones."""

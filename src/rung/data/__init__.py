"""Rows: load, split, audit."""

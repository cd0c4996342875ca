"""Measurements behind the diagnosis of failures."""

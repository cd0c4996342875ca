"""Prompts: our rewrites against reflective evolution, at equal calls."""

"""Prompts: templates, rewrites, output forms, similar examples, racing and evolution."""

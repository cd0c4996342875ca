"""Decisions replayed on what real models answered to real sets, and on published comparisons: what would have been said, and was it right."""

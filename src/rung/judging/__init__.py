"""Scores that are opinions: labels that people give, and how far a judge may be trusted."""

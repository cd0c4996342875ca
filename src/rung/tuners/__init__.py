"""Tuners: ways to train a model on examples."""

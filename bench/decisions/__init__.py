"""Worlds whose right stopping rung is known by construction: how often the verdict is right."""

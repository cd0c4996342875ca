"""From measured approaches to a verdict."""

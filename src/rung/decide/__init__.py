"""From measured rungs to a verdict."""

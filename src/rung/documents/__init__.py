"""The user's documents: read, cut into passages, kept in step with their folder, searched."""

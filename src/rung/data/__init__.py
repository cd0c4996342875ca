"""Examples: load, split, audit."""

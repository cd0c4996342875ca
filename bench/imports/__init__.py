"""What starting costs: CPU-seconds of `import rung`, `rung --help` and the import of the main path."""

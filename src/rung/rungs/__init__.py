"""The approaches of the ladder: one file each."""

"""Programs that exported folders run: copied file by file as they stand, so that they use the standard library and numpy alone."""

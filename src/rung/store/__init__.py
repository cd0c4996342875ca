"""What is kept: the run folder with its layout, the sealed test examples, tuned weights, the cache of answers."""

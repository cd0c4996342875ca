"""Model providers (one file each) and the client that adds cache, retries, limits and money."""

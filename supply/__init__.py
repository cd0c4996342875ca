"""What the core is made of besides our own code: locked by hash, listed for the build, under licences that we know."""

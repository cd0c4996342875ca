"""What the quick tests cost: CPU-seconds of `make test-quick`, and the tests to make quicker or mark `slow`."""

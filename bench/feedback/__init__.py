"""What the queue of `rung feedback` is worth: `python -m bench.feedback`."""

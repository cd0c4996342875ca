"""For people who write plugins: the conformance suite, a kit to run rungs in, and an endpoint that misbehaves on demand."""

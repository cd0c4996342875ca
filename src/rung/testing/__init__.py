"""For people who write plugins: the conformance suite, a kit to run approaches in, and an endpoint that misbehaves on demand."""

"""What `rung serve` costs: CPU a request, memory of many connections, and whether a graceful stop loses a request."""

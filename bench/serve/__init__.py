"""What `rung serve` costs: CPU a request, memory of many connections, whether a graceful stop loses a request, and what a shadow adds."""

"""Simulations that prove the statistics of `rung`: coverage, false alarms, power, calls saved. `python -m bench.statistics`."""

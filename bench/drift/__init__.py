"""How often `rung watch` raises a false alarm in a year, and how soon it sees a shift: `python -m bench.drift`."""

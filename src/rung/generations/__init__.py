"""`rung retrain`, `rung rollback` and `rung migrate`: the same experiment again, and which of its runs is the one that counts."""

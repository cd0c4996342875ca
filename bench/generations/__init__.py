"""How often `rung retrain` promotes what is no better, over many generations."""

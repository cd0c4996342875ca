"""How fast tuning is, beside a bare PyTorch loop and TRL."""

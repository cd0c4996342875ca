"""Tuning: the gate, the search for a recipe, the workspace, regression tasks, distillation."""

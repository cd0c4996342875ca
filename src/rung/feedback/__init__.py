"""`rung feedback`: what people said of served answers, what is worth labelling next, and which of it becomes examples."""

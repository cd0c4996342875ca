"""What a run needs around the ladder: start, prepare, plan, first look, examine, conclude, reopen, verify."""

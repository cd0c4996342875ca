"""What is kept: the run folder, the sealed test part, the call ledger."""

"""Retrieval: how documents are searched, laid out in a prompt, measured and administered."""

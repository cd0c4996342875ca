"""Failures of form over 10,000 requests, prompted against tuned."""

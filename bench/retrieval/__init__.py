"""How good and how fast the index of documents is, beside the plain libraries. See docs/retrieval.md."""

"""The rung that answers from documents, on real sets: retrieval figures, and answers by a stub that needs the right passage."""

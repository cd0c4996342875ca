"""Training of a small language model from nothing: the model, its optimizer, its data, the resumable loop, the export."""

"""How much a run costs beside the model: our engine and others against an endpoint on this machine."""

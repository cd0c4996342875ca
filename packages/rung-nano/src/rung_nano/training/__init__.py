"""The bundled model: an invented support-desk world, documents drawn from it, and the training command."""

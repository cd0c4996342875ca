"""Training of the models that the package ships; not part of the installed package."""

"""Climbs on real data sets whose model is a stub endpoint of known accuracy: every interval against the truth."""

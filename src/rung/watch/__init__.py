"""`rung watch`: is what is served now still like what was measured? Baseline, served requests, and the look at both."""

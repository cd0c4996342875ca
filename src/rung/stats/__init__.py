"""The statistics of a climb: pure functions over arrays, numpy and `scipy.special` only. See docs/statistics.md.

estimate    means with intervals; one-sided bounds for decisions; rows in groups
threeway    met / not met / unclear
paired      rung against rung on the same rows
power       what a test size can show, before money is spent
sequential  stopping a rung early without changing its verdict
racing      choosing among candidates on dev with few calls
"""

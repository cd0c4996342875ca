"""The statistics of a climb: pure functions over arrays, numpy and `scipy.special` only. See docs/statistics.md.

distribution  the few distribution functions that the rest needs
estimate      means with intervals; one-sided bounds for decisions; rows in groups
threeway      meets / misses / inconclusive
paired        rung against rung on the same rows
ppi           a judge's scores corrected by labels that people gave to a part of the rows
latency       95th percentiles of two rungs, paired
power         what a test size can show, before money is spent
sequential    stopping a rung early without changing its verdict
racing        choosing among candidates on dev with few calls
learning      what more training rows would bring
ranking       how high the relevant stands in what a search found
"""

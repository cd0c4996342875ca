"""Which kinds of documents (`documents.KINDS`) each stage of the training draws, and in which shares."""

WHOLE = {
    "task": 47.0, "shelf": 17.0, "mapping": 9.0, "echo": 8.0, "definition": 7.0, "repeat": 5.0, "record": 4.0, "lookup": 3.0,
}  # fmt: skip
"""Shares of the first stage."""
DRILLS = {
    "task": 14.0, "shelf": 20.0, "mapping": 8.0, "echo": 18.0, "definition": 4.0, "repeat": 18.0, "record": 8.0, "lookup": 10.0,
}  # fmt: skip
"""Shares at the start: short drills, which settle the circuits of copying and of matching before anything else competes."""
MATCHING = {"repeat": 25.0, "echo": 30.0, "mapping": 30.0, "lookup": 10.0, "definition": 5.0}
"""Shares of a stage of nothing but labels: matching a message with earlier ones appears all at once, or not at all in a mixture."""
READING = {"shelf": 40.0, "lookup": 25.0, "definition": 15.0, "mapping": 8.0, "echo": 5.0, "repeat": 2.0, "record": 5.0}
"""Shares of a stage of looking things up: passages, lists of keys and values, definitions."""
LAST = {
    "task": 42.0, "shelf": 21.0, "mapping": 10.0, "definition": 9.0, "lookup": 6.0, "echo": 6.0, "repeat": 3.0, "record": 3.0,
}  # fmt: skip
"""Shares of a stage of everything, with enough of what the two stages before have taught."""
POLISH = {
    "task": 45.0, "shelf": 20.0, "note": 17.0, "mapping": 6.0, "definition": 5.0, "lookup": 3.0, "echo": 2.0, "repeat": 1.0, "record": 1.0,
}  # fmt: skip
"""Shares of a short stage after the last: what it had left behind, urgency above all, among everything else."""
NOTES = {"note": 60.0, "task": 25.0, "shelf": 10.0, "record": 5.0}
"""Shares of a short stage in which urgency is recognised: it had not been in all that came before."""
FINAL = {
    "task": 52.0, "shelf": 20.0, "note": 8.0, "mapping": 6.0, "definition": 5.0, "lookup": 4.0, "echo": 2.0, "record": 2.0, "repeat": 1.0,
}  # fmt: skip
"""Shares of the stage in which the rate falls to nothing for the first time."""
BINDING = {"grid": 85.0, "shelf": 8.0, "lookup": 5.0, "echo": 2.0}
"""Shares of a stage of finding the value of the product asked for among like values of others: it had been chance before."""
CITING = {"cited": 85.0, "grid": 10.0, "shelf": 5.0}
"""Shares of a short stage of naming the passage that tells the fact."""
MEANING = {"naming": 42.0, "clerk": 36.0, "definition": 12.0, "grid": 5.0, "vague": 3.0, "mapping": 2.0}
"""Shares of a stage of what messages mean: which of the listed names fits, and what the desk answers to it, in lines never combined so."""
RECOGNISING = {"names": 45.0, "answering": 30.0, "clerk": 15.0, "grid": 6.0, "mapping": 4.0}
"""Shares of a stage of the same, with nothing around it: names of labels (weighing double) and single sentences in a tone."""
SETTLE = {
    "task": 38.0, "clerk": 14.0, "grid": 9.0, "shelf": 8.0, "names": 7.0, "mapping": 5.0, "definition": 5.0, "cited": 4.0,
    "note": 3.0, "lookup": 2.0, "vague": 2.0, "record": 1.0, "echo": 1.0, "repeat": 1.0,
}  # fmt: skip
"""Shares of a stage of everything, new and old, while the rate falls."""
MEND = {
    "task": 30.0, "brand": 22.0, "note": 14.0, "extraction": 13.0, "clerk": 7.0, "names": 4.0, "record": 4.0, "mapping": 3.0, "cited": 3.0,
}  # fmt: skip
"""Shares of a stage that fixes what the last had lost or never had: urgency, records, long numbers, products of one brand."""
EVERYTHING = {
    "task": 36.0, "clerk": 11.0, "brand": 11.0, "note": 8.0, "extraction": 7.0, "grid": 5.0, "names": 5.0, "mapping": 4.0,
    "definition": 4.0, "cited": 3.0, "shelf": 3.0, "record": 1.0, "lookup": 1.0, "vague": 1.0,
}  # fmt: skip
"""Shares for the larger model, which begins with all that the smaller one knows."""
MIXTURES = {
    "whole": WHOLE,
    "matching": MATCHING,
    "reading": READING,
    "last": LAST,
    "polish": POLISH,
    "notes": NOTES,
    "final": FINAL,
    "binding": BINDING,
    "citing": CITING,
    "meaning": MEANING,
    "recognising": RECOGNISING,
    "settle": SETTLE,
    "fix": MEND,
    "everything": EVERYTHING,
}
STRESSED = ("mapping", "echo", "repeat", "definition", "grid", "cited", "names", "answering")
STRESS = 2.0
"""Loss weight of the answers of `STRESSED` drills: in a mixture they are so few tokens that matching is hardly ever learnt."""

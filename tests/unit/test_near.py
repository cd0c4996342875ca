"""Near-duplicates: every pair that brute force finds is found, no other, and templates do not chain."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from rung.data.near import Ties, find_duplicates, normal_text
from rung.types import Example


def rows(texts):
    return [Example(f"e{i}", {"q": t}, "x", f"e{i}") for i, t in enumerate(texts)]


_LETTERS = random.Random(0)
WORDS = [
    "".join(_LETTERS.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(_LETTERS.randint(3, 7))) for _ in range(800)
]


def sentence(rng, n):
    return " ".join(rng.choice(WORDS) for _ in range(n))


def shingles(text, long):
    if long:
        w = text.split()
        return {tuple(w[i : i + 3]) for i in range(len(w) - 2)}
    return {text[i : i + 5] for i in range(len(text) - 4)}


@pytest.mark.sample(1)
@pytest.mark.parametrize("length", [6, 12, 60, 150])
def test_finds_what_brute_force_finds(length):
    rng = random.Random(length)
    texts = [sentence(rng, length) for _ in range(100)]
    for i in range(80):  # edits from one word to a third of the words
        words = texts[i].split()
        for _ in range(rng.randint(1, max(1, length // 8))):
            words[rng.randrange(length)] = rng.choice(WORDS)
        texts.append(" ".join(words))
    found = {(p.first, p.second): p.resemblance for p in find_duplicates(rows(texts)).near}
    long = length > 40
    sets = [shingles(t, long) for t in texts]
    wanted = {
        (f"e{i}", f"e{j}")
        for i in range(len(texts))
        for j in range(i + 1, len(texts))
        if texts[i] != texts[j] and len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= 0.8
    }
    assert wanted, "the test must hold near pairs"
    assert set(found) <= wanted  # verified: no false pair
    assert len(set(found) & wanted) >= 0.98 * len(wanted)


def test_equal_texts_by_case_and_space_and_width():
    found = find_duplicates(rows(["Hello  There", "hello there\n", "other text", "ＨＥＬＬＯ there"]))
    assert found.equal == (("e0", "e1", "e3"),)
    assert found.clusters == (("e0", "e1", "e3"),)
    assert not found.near
    assert found.cluster_of == {"e0": 0, "e1": 0, "e3": 0}
    assert normal_text("Straße") == normal_text("STRASSE")


def test_a_chain_of_near_rows_is_one_cluster():
    base = "please send the invoice for order number 1234 to the accounting office in the second floor today"
    found = find_duplicates(
        rows([base, base + " thanks", base + " thanks a lot", "something else entirely, dear support"])
    )
    assert found.clusters == (("e0", "e1", "e2"),)


def test_near_rows_of_an_equal_pair_join_its_cluster():
    base = "my card was charged twice for the same purchase yesterday evening"
    found = find_duplicates(rows([base, base.upper(), base + "!"]))
    assert found.clusters == (("e0", "e1", "e2"),)
    assert [(p.first, p.second) for p in found.near] == [("e0", "e2")]


@pytest.mark.parametrize("n", [40, 300])
def test_a_template_does_not_tie_all_rows(n):
    rng = random.Random(3)
    names = ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(9)) for _ in range(n)]
    template = "You are given a word. Give the plural of this word and nothing else, in lower case letters: {}"
    found = find_duplicates(rows([template.format(n) for n in names]))
    assert max((len(c) for c in found.clusters), default=1) == 1
    doubled = find_duplicates(rows([template.format(n) for n in [*names, names[0]]]))
    assert doubled.clusters == (("e0", f"e{n}"),)


def test_empty_and_tiny_inputs():
    assert find_duplicates([]).clusters == ()
    assert find_duplicates(rows(["a", "b", "", "ab"])).clusters == ()
    assert find_duplicates(rows(["", " "])).equal == (("e0", "e1"),)


def test_a_crowd_of_near_rows_is_found_without_all_pairs():
    base = "the quick brown fox jumps over the lazy dog while the cat looks on from the window sill and yawns"
    crowd = [f"{base} {a}{b}" for a in "abcdefgh" for b in "abcdefghij"]
    others = [sentence(random.Random(i), 15) for i in range(1800)]
    assert [len(c) for c in find_duplicates(rows([*others, *crowd])).clusters] == [len(crowd)]


@pytest.mark.slow
def test_result_does_not_depend_on_the_process():
    """Python hashes text differently in every process; a split must not."""
    code = (
        "from rung.data.near import find_duplicates as f, _characters, _Words\n"
        "from rung.types import Example\n"
        "t = [' '.join(f'w{(i * j) % 97}' for j in range(1, 12 + i % 60)) for i in range(200)]\n"
        "print(f([Example(str(i), {'q': x}, 'a', str(i)) for i, x in enumerate(t)]))\n"
        "print(_characters('hello world').tolist(), _Words().of('a b c d').tolist())\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": s},
        ).stdout
        for s in ("1", "2")
    }
    assert len(said) == 1
    assert "NearPair" in said.pop()


def test_ties():
    ties = Ties(5)
    ties.tie(3, 1)
    ties.tie(4, 3)
    assert ties.clusters() == [[0], [1, 3, 4], [2]]

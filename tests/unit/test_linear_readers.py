"""Every reader of text from outside takes time in step with its text: loaders, importers, documents, replies, answers, settings.

The readers are the fuzzer's targets (`bench/fuzz`), so that a new one is here by being there; its texts are grown from the seeds.
"""

import gzip
import json
import random
import re

import pytest

from bench.fuzz import answers, documents, examples, replies
from bench.fuzz.target import packed, unpacked
from rung.data.files import FORMS
from rung.documents.parse import SUFFIXES
from tests.pace import pace
from tests.unit.test_linear_time import LONG, MOST_GROWTH, MOST_S, took

pytestmark = pytest.mark.slow
TARGETS = {t.name: t for module in (examples, documents, replies, answers) for t in module.targets()}
TOO_SHORT_S = LONG / 1_000_000  # a time below it says nothing about growth
MANY = 6  # attacks on one reader
READS = {
    "reply-vendor": 12,
    "metrics": 13,
    "unwrap": 10,
    "reply-chat": 3,
    "reply-embeddings": 4,  # what an endpoint says is read to 20,000 characters, every place of it with 64 around
    **{f"document-{form}": 2 for form in ("html", "markdown", "text", "csv", "json", "docx", "pdf")},
}  # times a target reads its text
SAME = {"rows": {".ndjson": "jsonl", ".yml": "yaml", ".xlsm": "xlsx"}, "document": {".htm": "html", ".xhtml": "html", ".markdown": "markdown", ".md": "markdown",
        ".txt": "text", ".text": "text", ".rst": "text", ".log": "text", ".tsv": "csv", ".jsonl": "json", ".ndjson": "json"}}  # fmt: skip
UNCHANGED = (
    "reply-packed",
    "rows-gzip",
    "rows-parquet",
    "document-pdf",
)  # grown whole alone: what is changed inside is broken at its start


def test_every_form_that_is_read_has_a_reader_here():
    for group, forms in (("rows", FORMS), ("document", SUFFIXES)):
        for form in forms:
            name = SAME[group].get(form, form[1:])
            assert {f"{group}-{name}", f"tools-{name}"} & TARGETS.keys(), (
                group,
                form,
            )  # tools: logs that other programs write


def grown_data(data, times):
    """Yield JSON data with one of its lists or texts made long, one after the other."""
    if isinstance(data, list):
        if data:
            yield [*data[:-1], *[data[-1]] * times]
        for i, value in enumerate(data[:2]):
            for longer in grown_data(value, times):
                yield [*data[:i], longer, *data[i + 1 :]]
    elif isinstance(data, dict):
        yield {**data, **{f"k{i}": i for i in range(times)}}
        for key, value in data.items():
            for longer in grown_data(value, times):
                yield {**data, key: longer}
    elif isinstance(data, str) and data:
        yield data * times


def grown(text, words, size):
    """Yield name and text of about so many characters: the whole repeated, a line, a word in the middle, an element, JSON's parts."""
    yield "whole", text * max(1, size // max(1, len(text)))
    lines = text.splitlines(keepends=True) or [text]
    middle = len(lines) // 2
    for place in {0, middle, len(lines) - 1}:
        before, line, after = "".join(lines[:place]), lines[place], "".join(lines[place + 1 :])
        yield f"line {place}", before + line * max(1, size // max(1, len(line))) + after
    for word in words:
        half = len(text) // 2
        yield f"word {word!r}", text[:half] + word * max(1, size // len(word)) + text[half:]
    for element in re.findall(r"<(row|c|w:p|w:tr|si|p|td|li)\b", text)[:3]:
        found = re.search(rf"<{element}\b.*?</{element}>", text, re.DOTALL)
        if found:
            yield (
                f"element {element}",
                text[: found.end()] + found[0] * max(1, size // len(found[0])) + text[found.end() :],
            )
    head, gap, body = text.partition("\n\n") if re.match(r"\d{3}\n", text) else ("", "", text)
    try:
        data = json.loads(body)
    except ValueError:
        return
    for number, longer in enumerate(grown_data(data, 1)):
        share = max(1, size // max(8, len(json.dumps(longer)) // 2))
        for again, value in enumerate(grown_data(data, share)):
            if again == number:
                yield f"part {number}", head + gap + json.dumps(value)[: 2 * size]


def attacks(target):
    """Yield name, a text of `LONG` characters, and one half as long."""
    found = []
    for n, seed in enumerate(target.seeds[:4]):
        if target.name == "rows-gzip":  # 100 kB packed may be gigabytes: that is another question
            text = gzip.decompress(seed)
            found.append((f"{n} whole", *(gzip.compress(text * (size // len(text))) for size in (LONG, LONG // 2))))
        elif target.name in UNCHANGED:
            found.append((f"{n} whole", seed * (LONG // len(seed)), seed * (LONG // 2 // len(seed))))
        if target.name in UNCHANGED:
            continue
        members = unpacked(seed) if b"\n==== " in b"\n" + seed else {}
        parts = members or {"": seed}
        for member in sorted(parts, key=lambda m: -len(parts[m]))[:2]:
            text = parts[member].decode("utf-8", "surrogateescape")
            pairs = zip(grown(text, target.words, LONG), grown(text, target.words, LONG // 2), strict=False)
            for (what, whole), (_, half) in pairs:
                made = [
                    packed({**members, member: t.encode("utf-8", "surrogateescape")})
                    if members
                    else t.encode("utf-8", "surrogateescape")
                    for t in (whole, half)
                ]
                found.append((f"{n} {member} {what}", *made))
    many = 2 if target.name == "reply-vendor" else MANY  # twelve times what reply-chat does
    return random.Random(target.name).sample(found, min(many, len(found)))


@pytest.mark.parametrize("name", tuple(TARGETS))
def test_a_reader_takes_time_in_step_with_its_text(name, tmp_path):
    target = TARGETS[name]

    def run(data):
        try:
            target.run(data, tmp_path)
        except target.allowed:
            pass
        except AssertionError:  # a promise about what is read: the fuzzer's business
            pass

    run(target.seeds[0])  # what it imports
    for what, whole, half in attacks(target):
        long, short = (len(gzip.decompress(d) if name == "rows-gzip" else d) for d in (whole, half))
        after = took(run, whole)
        for times in (1, 3, 6, 12):  # another process may have been in the way
            after = min(after, took(run, whole, times)) if times > 1 else after
            share = max(1.0, long / LONG) * READS.get(name, 1)
            if after < TOO_SHORT_S * READS.get(name, 1):
                break
            before = took(run, half, times)
            if after <= MOST_S * share * pace() and after <= MOST_GROWTH * before * long / max(1, short) / 2:
                break
        else:
            pytest.fail(
                f"{name}: {after:.2f} s for {long:,} bytes, {after / before:.1f} times that of {short:,}; {what}: {whole[:80]!r}"
            )

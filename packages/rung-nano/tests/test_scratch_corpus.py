"""Documents become tokens with the right loss weights, and batches lose none of them."""

from pathlib import Path

import numpy as np
import pytest

from rung_nano._scratch.corpus import Corpus, Turn, batches, chat_text, encode
from rung_nano._scratch.tokenizer import SPECIAL_TOKENS, chat_tokenizer, train_tokenizer

TEXTS = [f"The parcel {i} is late and the kettle {i} is blue." for i in range(300)]
TOKENIZER = train_tokenizer(TEXTS, 400)


def corpus(*lengths: int) -> Corpus:
    """Documents of the given lengths whose tokens carry their document's number."""
    ids = np.concatenate([np.full(n, 10 + i, np.uint16) for i, n in enumerate(lengths)])
    return Corpus(ids, np.full(len(ids), 100, np.uint8), np.array(lengths, np.int32))


def test_answers_weigh_one_blind_parts_nothing_prompts_a_little() -> None:
    document = (Turn("user", "Where is it?"), Turn("assistant", "Team 47 has the kettle", 1.0, ("47",)))
    encoded = encode(TOKENIZER, [document], prompt_weight=0.1)
    tokens = [TOKENIZER.id_to_token(int(i)) for i in encoded.ids]
    by_token = dict(zip(tokens, encoded.weights.tolist(), strict=True))
    assert by_token["4"] == by_token["7"] == 0
    assert by_token["Ġkettle"] == 100
    assert encoded.weights[-1] == 100, "the end of an answer must be learnt"
    assert encoded.weights[0] == 10


def test_an_answer_of_weight_zero_is_not_learnt() -> None:
    encoded = encode(TOKENIZER, [(Turn("user", "Hi"), Turn("assistant", "blue", 0.0))], prompt_weight=0.0)
    assert encoded.weights.max() == 0


def test_a_document_that_is_too_long_is_left_out() -> None:
    long, short = (Turn("user", "kettle " * 200),), (Turn("user", "kettle"),)
    assert len(encode(TOKENIZER, [long, short], max_tokens=50).lengths) == 1
    assert encode(TOKENIZER, [long], max_tokens=50).tokens == 0


def test_every_document_comes_once_in_an_epoch() -> None:
    lengths = [5, 40, 33, 7, 64, 65, 5, 5, 100]
    seen = list[int]()
    for batch in batches([corpus(*lengths)], tokens_per_batch=128, seed=3):
        assert batch.ids.shape[1] % 32 == 0
        seen += [int(row[0]) - 10 for row in batch.ids]
        assert batch.tokens == sum(lengths[int(row[0]) - 10] for row in batch.ids)
    assert sorted(seen) == list(range(len(lengths)))


def test_batches_are_the_same_for_one_seed_and_differ_between_seeds() -> None:
    data = corpus(*range(5, 60))
    first, again, other = ([b.ids.tolist() for b in batches([data], 256, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_thinned_prompt_weights_keep_their_sum() -> None:
    data = Corpus(np.full(4000, 9, np.uint16), np.full(4000, 10, np.uint8), np.array([4000], np.int32))
    batch = next(batches([data], 4096, seed=0, prompt_share=0.3))
    assert 0.2 < (batch.weights > 0).mean() < 0.4
    assert batch.weights.sum() == pytest.approx(400, rel=0.15)


def test_a_corpus_survives_the_disk(tmp_path: Path) -> None:
    data = corpus(3, 4)
    data.save(tmp_path / "shard.safetensors")
    loaded = Corpus.load(tmp_path / "shard.safetensors")
    assert loaded.ids.tolist() == data.ids.tolist()
    assert loaded.lengths.tolist() == [3, 4]


@pytest.mark.parametrize(
    "text", ["Grüße aus Łódź", "価格は 39 €", "tab\tand\n\nlines  two spaces", "🙂 'quotes' \"and\" {braces}"]
)
def test_any_text_can_be_written_and_read_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text).ids) == text


def test_digits_stand_alone() -> None:
    assert [t.lstrip("Ġ") for t in TOKENIZER.encode("4711").tokens] == ["4", "7", "1", "1"]


def test_the_chat_template_writes_what_training_saw() -> None:
    tokenizer = chat_tokenizer(TOKENIZER, context=2048)
    turns = (Turn("system", "Be brief."), Turn("user", "Hi"), Turn("assistant", "Hello"))
    messages = [{"role": t.role, "content": t.text} for t in turns]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == chat_text(turns)
    asked = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert chat_text(turns).startswith(asked)
    assert [tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS] == [0, 1, 2, 3, 4, 5]
    assert tokenizer.padding_side == "left"

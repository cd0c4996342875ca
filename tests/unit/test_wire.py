"""What endpoints write: thoughts before answers, half-failed replies, errors in every shape, keys and escape sequences."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.models._retry_after import named_in
from rung.models._said import keys_in, names_key, scrub, visible
from rung.models._wire import NoAnswer, Reply, completion_of, trouble_of
from rung.models.openai import OpenAI
from rung.models.thought import without_thought

KEY = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
ENDPOINT = OpenAI(name="m", base_url="http://h/v1")


def read(choice, endpoint=ENDPOINT, **top):
    body = {"choices": [choice], "model": "m-1", **top}
    return completion_of(Reply(200, {}, json.dumps(body).encode()), endpoint, [KEY], 0.1)


def choice(text, reason="stop", **more):
    return {"message": {"role": "assistant", "content": text, **more}, "finish_reason": reason}


def trouble(status, body, headers=None):
    return trouble_of(Reply(status, headers or {}, json.dumps(body).encode()), ENDPOINT, [KEY])


THOUGHTS = [
    ("<think>\nIs it billing?\n</think>\n\nbilling", "billing"),
    ("<think></think>billing", "billing"),
    ("  \n<think>a</think>\n<think>b</think> billing", "billing"),
    ("<THINK>a</THINK>billing", "billing"),
    ("<thinking>a</thinking>\nbilling", "billing"),
    ("<reasoning>a</reasoning>billing", "billing"),
    ("<seed:think>a</seed:think>billing", "billing"),
    ("[THINK]a[/THINK]billing", "billing"),
    ("◁think▷a◁/think▷billing", "billing"),
    ("Is it billing? Yes.\n</think>\n\nbilling", "billing"),  # the template wrote the first mark
    ("<think>a <think>b</think> c</think>billing", "c</think>billing"),
    ("<think>a</think></think>billing", "billing"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>billing<|return|>", "billing"),
    ('<think>a</think>{"x": "</think>"}', '{"x": "</think>"}'),
]


@pytest.mark.parametrize(("text", "answer"), THOUGHTS)
def test_a_thought_before_an_answer_is_taken_off(text, answer):
    found = read(choice(text))
    assert found.text == answer
    assert found.thought == len(text) - len(answer) > 0


@pytest.mark.parametrize(
    "text",
    [
        "billing",
        "",
        "I think </ so",
        "x <think>a</think> y",
        "<thin>a</thin>",
        "<think>no end",
        "a < b",
        "[THINK ABOUT]",
    ],
)
def test_a_text_without_a_thought_before_it_stays_as_it_is(text):
    if text:
        assert (read(choice(text)).text, read(choice(text)).thought) == (text, 0)
    assert without_thought(text) == (text, 0)


def test_a_thought_that_was_cut_off_is_no_answer():
    found = read(choice("<think>and so on and", "length"))
    assert (found.text, found.finish, found.thought) == ("", "length", 20)


def test_thoughts_may_be_kept():
    text = THOUGHTS[0][0]
    keeping = OpenAI(name="m", base_url="http://h/v1", keep_thoughts=True)
    assert (read(choice(text), keeping).text, read(choice(text), keeping).thought) == (text, 0)
    assert keeping.identity() != ENDPOINT.identity()
    assert OpenAI(name="m", base_url="http://h/v1", keep_thoughts=False).identity() == ENDPOINT.identity()


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_thought_beside_the_answer_is_counted(field):
    assert read(choice("billing", **{field: "it is a bill"})).thought == 12


@given(st.text("<>/think[]THINK◁▷ \n", max_size=60), st.booleans())
def test_taking_a_thought_off_only_ever_takes_from_the_beginning(text, cut_off):
    answer, taken = without_thought(text, cut_off)
    assert text.endswith(answer) or "<|channel|>" in text
    assert taken == len(text) - len(answer)


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "<think></think>", "<think></THINK>", "[THINK]", "<|channel|>", " "]
)
def test_taking_a_thought_off_takes_time_in_proportion(piece):
    def seconds(times):
        text, best = piece * times, float("inf")
        for _ in range(5):
            began = time.process_time()
            without_thought(text)
            best = min(best, time.process_time() - began)
        return best

    assert any(seconds(40_000) < 2.5 * seconds(20_000) + 0.01 for _ in range(4))  # others compute here, too


HALF = [
    choice("", "error", error={"code": 502}),
    {**choice("", "error"), "error": {"code": 502, "message": "Upstream provider disconnected"}},
    choice("bil", "abort"),
    choice("", "insufficient_system_resource"),
    choice("x", "SERVER_ERROR"),
    choice("x", "cancelled"),
    choice("x", "malformed_function_call"),
    {**choice("x", None), "error": {"message": "gone"}},
]


@pytest.mark.parametrize("half", HALF)
def test_a_reply_that_failed_half_way_is_asked_for_again(half):
    with pytest.raises(Retryable, match="sent half an answer") as caught:
        read(half)
    assert caught.value.billed
    assert not isinstance(caught.value, NoAnswer)


@pytest.mark.parametrize("reason", ["tool_calls", "function_call", "odd", None, "unknown", "STOPPED"])
@pytest.mark.parametrize("text", ["", None, "  \n"])
def test_no_text_without_a_reason_for_it_is_asked_for_again(reason, text):
    with pytest.raises(NoAnswer, match="an answer without text"):
        read(choice(text, reason))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("MAX_TOKENS", "length"),
        ("length", "length"),
    ],
)
def test_known_reasons_are_answers_even_without_text(reason, finish):
    assert (read(choice("", reason)).text, read(choice("", reason)).finish) == ("", finish)


@pytest.mark.parametrize("reason", ["content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "sensitive"])
def test_a_withheld_answer_is_a_refusal(reason):
    with pytest.raises(RefusedByModel):
        read(choice("", reason))


BLOCKED = [
    b'{"choices": []}',
    b'{"choices": null, "usage": {"prompt_tokens": 3}}',
    b'{"choices": [], "promptFeedback": {}}',
]


@pytest.mark.parametrize("body", BLOCKED)
def test_a_reply_without_choices_is_no_answer(body):
    with pytest.raises(NoAnswer, match="without choices, as for a prompt that is blocked"):
        completion_of(Reply(200, {}, body), ENDPOINT, [], 0.1)


WITHIN = [
    ({"error": {"code": 429, "message": "slow down"}}, Retryable, "429"),
    ({"error": {"code": "503", "message": "busy"}}, Retryable, "503"),
    ({"error": {"code": 402, "message": "pay"}}, ModelError, "no credit left"),
    ({"error": {"message": "Insufficient balance"}}, ModelError, "no credit left"),
    ({"error": {"code": 400, "message": "no such field"}}, ModelError, "refused the request (400)"),
    ({"error": {"code": "content_filter", "message": "blocked"}}, RefusedByModel, "declined"),
    ({"error": {"message": "upstream"}}, Retryable, "without choices"),
]


@pytest.mark.parametrize(("body", "kind", "words"), WITHIN)
def test_an_error_with_status_200_is_the_error_that_it_tells(body, kind, words):
    with pytest.raises(ModelError) as caught:
        completion_of(Reply(200, {}, json.dumps(body).encode()), ENDPOINT, [], 0.1)
    assert type(caught.value) is kind
    assert words in str(caught.value)


NO_CREDIT = [
    (429, {"error": {"code": "insufficient_quota", "message": "m"}}),
    (429, {"error": {"type": "insufficient_quota", "message": "m"}}),
    (429, {"error": {"status": "x", "reason": "quota_exhausted"}}),
    (429, {"error": {"message": "You exceeded your current quota, please check your plan and billing details."}}),
    (429, {"error": {"message": "m", "details": [{"reason": "insufficient_funds"}]}}),
    (429, [{"error": {"code": 429, "message": "Your account is out of credits"}}]),
    (403, {"error": {"message": "Your credit balance is too low"}}),
    (402, {"error": {"message": "anything"}}),
    (400, {"error": {"code": "Arrearage", "message": "Access denied"}}),
    (503, {"error": {"type": "insufficient_balance"}}),
]


@pytest.mark.parametrize(("status", "body"), NO_CREDIT)
def test_an_account_without_credit_is_not_asked_again_whatever_field_says_so(status, body):
    found = trouble(status, body)
    assert type(found) is ModelError
    assert f"has no credit left ({status})" in str(found)


RATES = [
    ({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, None),
    ({"error": {"message": "Rate limit reached. Please try again in 20s."}}, 20.0),
    ({"error": {"message": "You exceeded your current quota. Please retry in 34.07s."}}, 34.07),
    ([{"error": {"message": "exceeded your current quota", "details": [{"retryDelay": "7s"}]}}], 7.0),
    ({"error": {"message": "too many requests, retry after 250ms"}}, 0.25),
]


@pytest.mark.parametrize(("body", "seconds"), RATES)
def test_a_rate_limit_is_waited_out_for_the_time_that_it_names(body, seconds):
    found = trouble(429, body)
    assert isinstance(found, Retryable)
    assert found.retry_after_s == (None if seconds is None else pytest.approx(seconds))
    assert named_in(json.dumps(body)) == found.retry_after_s


@pytest.mark.parametrize(
    "body",
    [
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        {"error": {"code": "invalid_api_key", "message": "m"}},
        {"error": {"message": "Incorrect API key provided"}},
        {"error": {"message": "m", "status": "API_KEY_INVALID"}},
    ],
)
def test_a_wrong_key_is_one_with_status_400_too(body):
    found = trouble(400, body)
    assert "does not accept the key (400)" in str(found)
    assert found.status == 401


def test_a_prompt_that_is_quoted_does_not_speak_for_the_account():
    assert "refused the request (400)" in str(trouble(400, {"error": {"message": "bad input: 'I am out of credits'"}}))


TOO_LONG = [
    [
        {
            "error": {
                "code": 400,
                "message": "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
            }
        }
    ],
    {"error": {"message": "prompt is too long: 214000 tokens > 200000 maximum"}},
    {"error": {"message": "Range of input length should be [1, 30720]", "code": "invalid_parameter_error"}},
    {"error": {"message": "This model's maximum context length is 4096 tokens"}},
    {"message": "Input is too long for requested model."},
    {"detail": "too many input tokens"},
    {"error": "input length exceeds the context length"},
    {"object": "error", "message": "m", "type": "BadRequestError", "code": "string_above_max_length"},
]


@pytest.mark.parametrize("body", TOO_LONG)
def test_a_request_that_is_too_long_is_known_in_many_words(body):
    assert isinstance(trouble(400, body), ContextOverflow)


def test_what_gemini_counts_is_read_and_its_list_is_opened():
    found = trouble(400, TOO_LONG[0])
    assert (found.tokens, found.context) == (1200293, 1048576)
    assert "[{" not in str(found)


PARTS = [
    f"Incorrect API key provided: {KEY}",
    f"Incorrect API key provided: {KEY[:4]}****************{KEY[-4:]}.",
    f"key {KEY[:8]}... is not valid",
    f"the key that ends in {KEY[-4:]} was revoked",
    f"the key starting with {KEY[:6]}",
    f"header {KEY.upper()}",
    f"{KEY[3:20]}",
    f"half of it: {KEY[10:18]}!",
    f"{KEY[:5]}…",
]


@pytest.mark.parametrize("said", PARTS)
def test_no_part_of_a_key_is_shown(said):
    found = scrub(said, [KEY])
    assert "***" in found
    low = found.lower()
    assert not any(KEY[i : i + 5] in low for i in range(len(KEY) - 4))
    assert KEY[-4:] not in low.split()


@pytest.mark.parametrize(
    "key", ["AIzaSyD-1234567890abcdefghijk", "hf_abcdefghij0123456789", "ghp_abcdefghij0123456789", "AKIAABCDEFGHIJKLMNOP",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "sk-proj-abc123def456"],
)  # fmt: skip
def test_keys_of_others_are_known_by_their_look(key):
    assert scrub(f"no {key} here", []) == "no *** here"


def test_the_scheme_before_a_key_is_no_part_of_it():
    assert scrub(f"Invalid Token, not {KEY}", [f"Token {KEY}"]) == "Invalid Token, not ***"
    assert scrub(f"got Token {KEY}", [f"Token {KEY}"]) == "got ***"
    assert scrub(f"got {KEY[:9]}", [f"Token {KEY}"]) == "got ***"


@pytest.mark.parametrize("said", ["the model is busy", "see docs... and wait", "0a is not 0b", "max_tokens: 256"])
def test_ordinary_words_stay(said):
    assert scrub(said, [KEY]) == said


CONTROLS = [
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\x9b31m",
    "\x1b]52;c;aGk=\x07",
    "\u202eevil",
    "a\x00b",
    "\u2066x\u2069",
    "\x1b%@",
]


@pytest.mark.parametrize("said", CONTROLS)
def test_words_of_an_endpoint_steer_no_terminal(said):
    for text in (
        scrub(said, []),
        str(trouble(500, {"error": {"message": said}})),
        str(trouble(400, {"error": {"message": said}})),
        read(choice("x"), model=f"m{said}").model,
    ):
        assert text.isprintable()
    assert visible("tab\tü日本 👍\n") == "tab\tü日本 👍\n"
    assert visible("\x1b") == "U+001B"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"api_key": "abc"}, "api_key"),
        ({"a": {"Authorization": "x"}}, "a.Authorization"),
        ({"a": [{"token": "x"}]}, "a.0.token"),
        ({"note": "Bearer abcdefgh12"}, "note"),
        ({"x": "sk-abcdefgh1234"}, "x"),
        ({"password": "hunter2"}, "password"),
    ],
)
def test_keys_in_a_body_are_found_by_look_and_by_name(body, path):
    assert list(keys_in(body)) == [path]


@pytest.mark.parametrize(
    "body",
    [
        {"max_tokens": 5},
        {"stop_token": "x"},
        {"prompt_cache_key": "x"},
        {"key": ""},
        {"token": "{{prompt}}"},
        {"code": "x"},
    ],
)
def test_other_fields_are_no_keys(body):
    assert list(keys_in(body)) == []


@pytest.mark.parametrize(
    "name", ["key", "api_key", "api-key", "apikey", "x-api-key", "sig", "token", "access_token", "code"]
)
def test_parts_of_a_query_that_hold_keys(name):
    assert names_key(name)


@pytest.mark.parametrize("name", ["api-version", "model", "tokens_max", "keyboard", "version"])
def test_parts_of_a_query_that_hold_none(name):
    assert not names_key(name)

"""Replies of an odd form: what was paid for is read where its meaning is plain, and the time to wait in whatever form it is told."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from rung.errors import ModelError, Retryable
from rung.exports.alone import endpoint
from rung.models._retry_after import named_in, retry_after
from rung.models._wire import Reply, completion_of, trouble_of
from rung.models.openai import OpenAI

ENDPOINT = OpenAI(name="m", base_url="http://127.0.0.1:9/v1")


def body(content="billing", **message):
    said = {"role": "assistant", "content": content, **message}
    return {
        "choices": [{"message": said, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4},
    }


def read(raw, status=200, **headers):
    return completion_of(Reply(status, headers, raw), ENDPOINT, (), 0.1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_reply_is_read_in_every_encoding_of_unicode(encoding):
    raw = json.dumps(body("caf\u00e9 \U0001f600"), ensure_ascii=False).encode(encoding)
    assert (read(raw).text, read(raw).output_tokens) == ("caf\u00e9 \U0001f600", 4)


@pytest.mark.parametrize(
    ("charset", "text"), [("ISO-8859-1", "caf\u00e9"), ("windows-1252", "\u20ac 5"), ('"gbk"', "\u4f60\u597d")]
)
def test_a_charset_that_is_named_is_believed_where_the_bytes_are_no_unicode(charset, text):
    raw = json.dumps(body(text), ensure_ascii=False).encode(charset.strip('"'))
    assert read(raw, **{"Content-Type": f"application/json; charset={charset}"}).text == text
    with pytest.raises(Retryable, match="no valid JSON"):
        read(raw)


def test_a_charset_that_is_named_wrongly_does_no_harm():
    raw = json.dumps(body("caf\u00e9"), ensure_ascii=False).encode()
    for charset in ("iso-8859-1", "punycode", "zip", "nothing"):
        assert read(raw, **{"Content-Type": f"text/plain;charset={charset}"}).text == "caf\u00e9"
    with pytest.raises(Retryable, match="no valid JSON"):
        read(b"\xff\xfe\xfd", **{"Content-Type": "text/plain; charset=idna"})


CONTENTS = (
    ({"team": "billing"}, '{"team": "billing"}'), (42, "42"), (True, "true"), (["bil", "ling"], "billing"),
    ([{"type": "output_text", "text": "billing"}], "billing"), ([{"type": "text", "text": None}, {"text": "x"}], "x"),
    ([{"type": "reasoning", "text": "hm"}, {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}], "yes"),
)  # fmt: skip


@pytest.mark.parametrize(("content", "text"), CONTENTS)
def test_content_that_is_no_text_is_read_as_what_it_says(content, text):
    assert read(json.dumps(body(content)).encode()).text == text


@pytest.mark.parametrize(("content", "text"), [*CONTENTS, (None, ""), ("plain", "plain"), (0, "0"), ([], "")])
def test_an_exported_program_reads_it_as_it_was_measured(monkeypatch, content, text):
    monkeypatch.setattr(endpoint, "prompt", lambda: {"model": {}})
    assert endpoint.said({"content": content}) == read(json.dumps(body(content)).encode()).text == text


@pytest.mark.parametrize(
    "thought", [{"text": "hm"}, [1, 2], ["hm"], 5, True, [{"type": "reasoning.text", "text": "hm"}]]
)
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_thought_of_any_shape_loses_no_answer(field, thought):
    found = read(json.dumps(body(**{field: thought})).encode())
    assert (found.text, found.thought > 0) == ("billing", True)


@pytest.mark.parametrize("status", [201, 202, 203])
def test_an_answer_under_another_status_of_success_is_an_answer(status):
    assert Reply(status, {}, b"{}").whole
    assert not Reply(204, {}, b"").whole
    assert not Reply(302, {}, b"{}").whole
    assert read(json.dumps(body()).encode(), status).text == "billing"
    error = trouble_of(Reply(204, {}, b""), ENDPOINT, ())
    assert type(error) is ModelError
    assert "refused the request (204): no explanation" in str(error)


def test_an_error_is_read_in_every_encoding_too():
    raw = json.dumps({"error": {"message": "no such team"}}).encode("utf-16")
    assert "(400): no such team;" in str(trouble_of(Reply(400, {}, raw), ENDPOINT, ()))


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 1h12m3.5s.", 4323.5), ("Try again in 2 hours and 5 minutes", 7500.0), ("wait 2 days", 172_800.0),
        ("try again in 7m12.5s", 432.5), ("retry after 500 milliseconds", 0.5), ("try again in 20s. You sent 5 m", 20.0),
        ('retryDelay": "34s"', 34.0), ("wait 5 more requests", 5.0), ("try again at noon", None), ("try again in 3 minutes", 180.0),
        ("retry after " + "9" * 400, 999_999_999.0),
    ],
)  # fmt: skip
def test_a_time_in_words_is_read_with_all_its_units(words, seconds):
    assert named_in(words) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5s", 5.0), ("1m30s", 90.0), ("120, 120", 120.0), ("1.5", 1.5), ("-3", 0.0), ("inf", None), ("nan", None), ("soon", None), ("", None),
        ("Fri, 99 Dec 1999 23:59:59 GMT", None), ("9" * 5_000, pytest.approx(1e100)), ("Mon, 1 Jan 2035 00:00:00 +9999", None), ("\x00", None),
        ("1999-12-31T23:59:59Z", 0.0), ("9999-99-99", 9999.0),
    ],
)  # fmt: skip
def test_a_header_with_a_time_in_any_form_is_read_or_left(value, seconds):
    assert retry_after({"Retry-After": value}) == seconds


def test_a_date_as_programs_write_it_is_read():
    later = datetime.now(UTC) + timedelta(seconds=50)
    assert retry_after({"Retry-After": later.isoformat()}) == pytest.approx(50, abs=5)

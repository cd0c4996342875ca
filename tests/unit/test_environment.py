"""Variables from `.env`: what is read of the file, who wins, and that no value of it is ever shown or kept."""

from __future__ import annotations

import asyncio
import os

import pytest
import yaml

from rung.cli import run as command
from rung.config import load_config
from rung.config.environment import read, variable
from rung.engine.permission import wishes_of
from rung.errors import ConfigError
from rung.exports.write import exported
from rung.ladder import climb_in_loop
from rung.models.settings import configured
from rung.testing.endpoint import Endpoint
from rung.testing.kit import small_rows

ROWS = small_rows(150, "ticket")
VALUE = "value-of-a-variable-0123456789"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1", {"A": "1"}),
        ("  export\tA = 1  ", {"A": "1"}),
        ("A='a b # c'", {"A": "a b # c"}),
        ('A="a b # c" # why', {"A": "a b # c"}),
        ('A="a\\nb\\"c\\\\d"', {"A": 'a\nb"c\\d'}),
        ("A='a\\nb'", {"A": "a\\nb"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=a # b", {"A": "a"}),
        ("A= # b", {"A": ""}),
        ("A=", {"A": ""}),
        ("# A=1\n#B=2\n\nC=3", {"C": "3"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=a=b", {"A": "a=b"}),
        ("PEM='one\nB=2\nthree'\nC=3", {"PEM": "one\nB=2\nthree", "C": "3"}),
        ("A='open\nB=2", {"A": "'open", "B": "2"}),
        ("not a line\nA=1\n=3\n1B=2", {"A": "1"}),
        ("A=${B} `id` $(id)", {"A": "${B} `id` $(id)"}),
    ],
)
def test_the_usual_forms_of_the_file(text, held):
    assert read(text) == held


def test_the_environment_wins_and_is_never_written_to(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNG_T_SET", "from the environment")
    monkeypatch.setenv("RUNG_T_EMPTY", "")
    monkeypatch.delenv("RUNG_T_NEW", raising=False)
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfRUNG_T_NEW=new\nRUNG_T_SET=file\nRUNG_T_EMPTY=file\n")
    before = dict(os.environ)
    assert variable("RUNG_T_NEW", tmp_path) == "new"
    assert variable("RUNG_T_SET", tmp_path) == "from the environment"
    assert variable("RUNG_T_EMPTY", tmp_path) == ""
    assert variable("RUNG_T_NONE", tmp_path) is None
    assert variable("RUNG_T_NEW") is None
    assert dict(os.environ) == before


def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path):
    assert variable("RUNG_T_NEW", tmp_path) is None
    (tmp_path / ".env").mkdir()  # a virtual environment of that name
    assert variable("RUNG_T_NEW", tmp_path) is None
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").write_bytes(b"RUNG_T_NEW=\xff\xfe")
    with pytest.raises(ConfigError, match="beside rung.yaml: is not UTF-8 \\(byte 11\\)"):
        variable("RUNG_T_NEW", tmp_path)
    (tmp_path / ".env").write_bytes(b"A" * 1_100_000)
    with pytest.raises(ConfigError, match="is no regular file of at most 1,048,576 bytes"):
        variable("RUNG_T_NEW", tmp_path)
    (tmp_path / ".env").unlink()
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(ConfigError, match="is no regular file"):
        variable("RUNG_T_NEW", tmp_path)


def project(folder, **entry):
    lines = ["text,team", *(f"{row.inputs['text']},{row.target}" for row in ROWS)]
    (folder / "tickets.csv").write_text("\n".join(lines) + "\n")
    raw = {
        "task": {"name": "t", "instruction": "Name the team.", "inputs": ["text"], "target": "team", "goal": 0.9},
        "data": {"path": "tickets.csv"},
        "models": {"main": {"provider": "openai", "name": "m-1", **entry}},
        "ladder": ["prompt"],
    }
    (folder / "rung.yaml").write_text(yaml.safe_dump(raw))
    return folder / "rung.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("refuses", [False, True])
def test_a_climb_sends_the_value_and_keeps_it_nowhere(tmp_path, monkeypatch, capfd, refuses):
    monkeypatch.delenv("RUNG_T_KEY", raising=False)
    monkeypatch.delenv("RUNG_T_OTHER", raising=False)
    (tmp_path / ".env").write_text(f"RUNG_T_KEY={VALUE}\nRUNG_T_OTHER=other-value-0123456789\n")
    answers = {row.inputs["text"]: row.target for row in ROWS}
    seen = []

    def script(data, attempt):
        from rung.testing.endpoint import Reply

        seen.append(stub.headers_seen.get("authorization"))
        said = f'{{"error": {{"message": "the key {VALUE} is unknown"}}}}'.encode()
        return Reply(401, said) if refuses else None

    def answering(prompt):
        return next((label for text, label in answers.items() if text in prompt.splitlines()[-1]), "unknown")

    stub = Endpoint(answering=answering, script=script)

    async def work():
        async with stub.serving():
            path = project(tmp_path, base_url=stub.url, api_key_env="RUNG_T_KEY")
            return await climb_in_loop(load_config(path), tmp_path / "run")

    told = ""
    if refuses:
        with pytest.raises(Exception, match="does not accept the key") as caught:
            asyncio.run(work())
        told = str(caught.value)
    else:
        assert asyncio.run(work()).exit_code == 0
        exported(tmp_path / "run", "prompt", None, tmp_path / "out", None)
    assert set(seen) == {f"Bearer {VALUE}"}
    files = [f for place in ("run", "out") for f in (tmp_path / place).rglob("*") if f.is_file()]
    held = b"".join(file.read_bytes() for file in files).decode("latin-1") + told + "".join(capfd.readouterr())
    assert VALUE not in held
    assert "other-value" not in held
    assert "RUNG_T_KEY" in held


def test_a_missing_variable_names_both_places(tmp_path, monkeypatch):
    monkeypatch.delenv("RUNG_T_KEY", raising=False)
    config = load_config(project(tmp_path, base_url="http://127.0.0.1:9/v1", api_key_env="RUNG_T_KEY"))
    with pytest.raises(ConfigError, match="RUNG_T_KEY is not set: .* or into the file .env beside rung.yaml"):
        configured(config)["main"].connect()


def test_a_project_from_elsewhere_is_asked_before_its_env_file_is_sent_or_followed(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("RUNG_TRUST", "0")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "secrets").write_text(f"RUNG_T_KEY={VALUE}\n")
    place = tmp_path / "project"
    place.mkdir()
    path = project(place, base_url="https://models.example.com/v1", api_key_env="RUNG_T_KEY")
    (place / ".env").symlink_to(tmp_path / "secrets")
    wishes = wishes_of(load_config(path))
    assert wishes.sent == (("RUNG_T_KEY", "models.example.com"),)
    assert wishes.files == (str(place / ".env"),)
    monkeypatch.chdir(place)
    monkeypatch.setattr("sys.argv", ["rung", "climb"])
    assert command() == 2
    said = "".join(capfd.readouterr())
    assert "send the variable RUNG_T_KEY to models.example.com" in said
    assert VALUE not in said

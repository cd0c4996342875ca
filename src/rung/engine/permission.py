"""Whether a project or run folder may do what it asks for: run code, read files outside its folder, send a variable to a host.

A project from elsewhere is code, not data. Allowed without a question is what `rung init` wrote on this machine, what was
allowed once, what a Python program gives as arguments, and everything where RUNG_TRUST is 1. A project that asks for none of
it is never asked about.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rung.config import Config, load_config
from rung.config.environment import FILE as ENV_FILE
from rung.engine.stored import stored_config
from rung.errors import NotAllowed, RungError
from rung.models.vendors import VENDORS
from rung.store.folder import write_atomic
from rung.store.run import RunFolder
from rung.types import content_hash

EVERYTHING = "RUNG_TRUST"  # this variable, set to 1, allows everything
_LONGEST_PATH = 4096


@dataclass(frozen=True)
class Wishes:
    """What a configuration asks for beyond reading its own folder. Empty: nothing."""

    code: tuple[str, ...]  # file.py:function or module:function
    files: tuple[str, ...]  # paths outside the project's folder
    sent: tuple[tuple[str, str], ...]  # environment variable, host

    def __bool__(self) -> bool:
        return bool(self.code or self.files or self.sent)

    def __str__(self) -> str:
        return "\n".join(f"  - {line}" for line in self.lines)

    @property
    def lines(self) -> list[str]:
        """Each wish in a few words."""
        asked = [*(f"run {code}" for code in self.code), *(f"read {file}" for file in self.files)]
        return [*asked, *(f"send the variable {v} to {host}" for v, host in self.sent)]


def wishes_of(config: Config, task: object = None) -> Wishes:
    """Return what a configuration asks for; the tasks that it names under `regression_tasks` included.

    `task`: what a run folder says of its task, as plain data. A run is scored by that, whatever its configuration says.
    """
    code, files, sent = set[str](), set[str](), set[tuple[str, str]]()
    for part in (config, *_named(config)):
        plain = part.model_dump(mode="json", exclude={"root"})
        for key, text in _texts([plain, task] if part is config else plain):
            if key == "function":
                code.add(text)
            elif _leaves(text, part.root.resolve()):
                files.add(str(part.root.resolve() / Path(text).expanduser()))
        for entry in part.models.values():
            sent.update(_sent(entry))
        place = part.root.resolve() / ENV_FILE
        if place.is_symlink() and _leaves(ENV_FILE, part.root.resolve()):
            files.add(str(place))
    return Wishes(tuple(sorted(code)), tuple(sorted(files)), tuple(sorted(sent)))


def begin(config: Config) -> None:
    """Require what a climb needs of the project that `config` was read from. What `rung init` wrote here is allowed, and with
    it the run folders that come of it. Raises NotAllowed."""
    if _made_here(config):
        allow(config)
    require(config)


def not_allowed(config: Config) -> str | None:
    """Say what a climb would ask about, or refuse where nobody can be asked; None where all is allowed. Nothing is remembered."""
    if _made_here(config):
        return None
    try:
        require(config)
    except NotAllowed:
        return (
            f"{config.root.resolve()} is not known on this machine and wants to {'; '.join(wishes_of(config).lines)}: a run asks "
            f"about it in a terminal and refuses elsewhere; look at it, then allow it with {EVERYTHING}=1 or `rung --trust COMMAND`"
        )
    return None


def _made_here(config: Config) -> bool:
    return os.environ.get(EVERYTHING) != "1" and str(config.root.resolve()) in _known()["made"]


def require(config: Config, task: object = None, *, asks: bool = True) -> None:
    """Raise NotAllowed, with the list, for what nobody has allowed yet. `asks`: whether models are to be asked, or stored
    answers scored alone, which needs no more than the code."""
    if os.environ.get(EVERYTHING) == "1":
        return
    whole = wishes_of(config, task)
    wishes = whole if asks else Wishes(whole.code, (), ())
    if wishes and not {_key(config, whole), _key(config, wishes)} & set(_known()["allowed"]):
        raise NotAllowed(
            f"{config.root.resolve()} is not known on this machine and wants to:\n{wishes}\nLook at it; then allow it with "
            f"{EVERYTHING}=1 in the environment, by `rung --trust COMMAND`, or by a yes in a terminal"
        )


def allow(config: Config, task: object = None) -> None:
    """Remember that the user allows what this configuration asks for."""
    wishes = wishes_of(config, task)
    if wishes:
        _remember("allowed", _key(config, wishes))


def made_here(folder: Path) -> None:
    """Remember that `rung init` wrote the configuration in this folder."""
    _remember("made", str(folder.resolve()))


def _key(config: Config, wishes: Wishes) -> str:
    return content_hash([str(config.root.resolve()), wishes.code, wishes.files, wishes.sent])


def _named(config: Config) -> Iterator[Config]:
    for path in map(config.resolve, config.regression_tasks):
        with contextlib.suppress(RungError):  # it is told where it is read
            yield stored_config(RunFolder.open(path)) if path.is_dir() else load_config(path)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value


def _leaves(text: str, root: Path) -> bool:
    """Whether a text is the path of something that is there, outside the folder; links are followed to what they name."""
    if not text.strip() or len(text) > _LONGEST_PATH or "\n" in text or "\0" in text or "://" in text:
        return False
    try:
        place = root / Path(text).expanduser()
        return place.exists() and not place.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # no name for a file; no home folder
        return False


def _sent(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each variable that a model's entry sends, with the host that its address means, however that is written."""
    held = [variable for _, variable in _texts({k: v for k, v in entry.items() if k.endswith("_env")})]
    vendor = VENDORS.get(str(entry.get("provider")))
    if vendor is None:
        hosts = [host for _, text in _texts(entry) if (host := _host(text))]
    else:
        given = entry.get("base_url")
        address = (vendor.address or "") if given is None else str(given).strip()
        hosts = [host] if (host := _host(address)) else []
        if vendor.key_variable is not None and vendor.serves(address) and entry.get("api_key_env") is None:
            held.append(vendor.key_variable)  # what is sent where nothing else is named
    for variable in held:
        yield from ((variable, host) for host in hosts or ["wherever the provider sends it"])


def _host(text: str) -> str | None:
    """Return the host of a web address as the providers read it: `HTTPS://`, and with blanks around it, too."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return None
    return parts.netloc.rpartition("@")[2] or None if parts.scheme in ("http", "https") else None


def _store() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or "~/.config"
    return Path(home).expanduser() / "rung" / "allowed.json"


def _known() -> dict[str, list[str]]:
    try:
        held = json.loads(_store().read_bytes())
    except (OSError, ValueError, RecursionError, RuntimeError):
        held = {}
    found = held if isinstance(held, dict) else {}
    return {
        name: [str(k) for k in found[name]] if isinstance(found.get(name), list) else [] for name in ("allowed", "made")
    }


def _remember(name: str, key: str) -> None:
    known = _known()
    if key not in known[name]:
        known[name].append(key)
        with contextlib.suppress(RungError, OSError, RuntimeError):  # a home that nobody may write: it is asked again
            write_atomic(_store(), (json.dumps(known, indent=1) + "\n").encode())

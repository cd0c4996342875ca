"""The command line of an exported folder: one input, or a file of rows that goes on where it was stopped. Python 3.11, no packages."""

import argparse
import contextlib
import csv
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TextIO
from urllib.error import HTTPError


class Answered(NamedTuple):
    """An answer with what belongs to it: `more` by name, each a list of flat objects, such as its sources."""

    text: str
    more: dict[str, list[dict[str, Any]]] = {}  # noqa: RUF012  never changed


Answer = Callable[[dict[str, str]], str | Answered]
Job = tuple[int, dict[str, str]]
Reply = tuple[int, Answered | None, BaseException | None]
Failed = dict[int, Exception]  # why a row has no answer, by its number

FORMS = {".csv": ",", ".tsv": "\t", ".jsonl": None, ".ndjson": None}  # how a file's cells are separated; None: JSON
WAITS_S = (1, 2, 4, 8, 16)  # before a request that may succeed later is sent again
LATER = {408, 409, 425, 429, 500, 502, 503, 504, 529}  # status codes of such requests
HOPELESS = {301, 302, 303, 307, 308, 401, 403, 404}  # status codes that every row would meet
LONGEST_WAIT_S = 60.0
STOP_AFTER = 64  # rows in a row without an answer
AS_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
FAILURES = (OSError, HTTPException, ValueError, LookupError, TypeError)  # of a request, or of a reply in another shape


class Refused(Exception):
    """A sentence for the user: what is wrong, where, and what to do."""


def main(
    answer: Answer,
    columns: Sequence[str],
    about: str,
    in_flight: int = 1,
    ready: Callable[[], Any] = dict,
    state: Callable[[], str] = str,
) -> int:
    """Run the command line and return its exit status: 0 all answered, 1 some not, 2 bad input, 130 stopped.

    `ready` may end the program before the first answer. `state`: what answers depend on beside this folder's files, one a batch.
    """
    options = _options(columns, about)
    try:
        if options.rows is not None:
            total = _to_answer(options, columns)  # a wrong file is told before a model is loaded
            ready()
            return _batch(options, answer, columns, in_flight, state(), total)
        texts = [sys.stdin.read() if text == "-" else text for text in options.texts]
        ready()
        show(answer(dict(zip(columns, texts, strict=True))))
    except (Refused, ModuleNotFoundError) as error:
        print(error if isinstance(error, Refused) else f"{error}: pip install -r requirements.txt", file=sys.stderr)
        return 2
    except FAILURES as error:
        print(f"no answer: {told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on with the rows that are left", file=sys.stderr)
        return 130
    return 0


def _whole(said: str | Answered) -> Answered:
    return said if isinstance(said, Answered) else Answered(said)


def show(said: str | Answered) -> None:
    """Print an answer, and below it what belongs to it."""
    answered = _whole(said)
    print(answered.text)
    for name, listed in filter(lambda held: held[1], answered.more.items()):
        print(f"\n{name}:", *("- " + ", ".join(map(str, held.values())) for held in listed), sep="\n")


def told(error: Exception) -> str:
    """Return an error in words; a KeyError alone says only the key."""
    return str(error) if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {error}"


def _options(columns: Sequence[str], about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    named = ", ".join(map(ascii, columns)).replace("%", "%%")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help=f"one text a column ({named}); - reads standard input")
    parser.add_argument("--in", dest="rows", metavar="FILE", help="rows to answer: .csv, .tsv, or .jsonl")
    parser.add_argument("--out", metavar="FILE", help="a new file: the rows with their answers, .csv, .tsv, or .jsonl")
    parser.add_argument("--answer", metavar="NAME", default="answer", help="column for the answers (default: answer)")
    options = parser.parse_args()
    if options.rows is None and len(options.texts) != len(columns):
        parser.error(f"give a text for each column ({len(columns)}), or --in FILE --out FILE; got {len(options.texts)}")
    if options.rows is not None and (options.out is None or options.texts):
        parser.error("--in needs --out FILE, and takes no TEXT")
    return options


def _to_answer(options: argparse.Namespace, columns: Sequence[str]) -> int:
    """Return how many rows there are. Raises Refused for files that cannot be read, or are of another form."""
    source = Path(options.rows)
    for path in (source, Path(options.out)):
        if path.suffix.lower() not in FORMS:
            raise Refused(f"{path}: name a file that ends in {', '.join(FORMS)}")
    try:
        return sum(len(inputs_of(row, columns)) > 0 for _, row in rows_of(source, columns, options.answer))
    except OSError as error:
        raise Refused(f"{error.filename or source}: {error.strerror or error}") from error


def _batch(
    options: argparse.Namespace, answer: Answer, columns: Sequence[str], in_flight: int, state: str, total: int
) -> int:
    source, out = Path(options.rows), Path(options.out)
    try:
        with Journal(source, out, state) as journal:
            left = ((n, inputs_of(r, columns)) for n, r in rows_of(source, columns) if n not in journal.answers)
            failed = _answer_all(left, answer, in_flight, journal, total)
            _write(source, out, columns, options.answer, journal, failed)
    except OSError as error:
        raise Refused(f"{error.filename or out}: {error.strerror or error}") from error
    if failed:
        first = min(failed)
        print(
            f"{len(failed):,} of {total:,} rows have no answer (row {first}: {told(failed[first])}). The same command asks "
            f"for them again; {journal.path} keeps the others.",
            file=sys.stderr,
        )
        return 1
    print(f"{total:,} rows answered: {out}", file=sys.stderr)
    return 0


def rows_of(source: Path, columns: Sequence[str], new: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a file with their numbers, from 1. Raises Refused for a file that cannot be read.

    `new`: the column for the answers, which no row may have yet, nor one that begins with its name and "_".
    """
    try:
        with source.open(encoding="utf-8-sig", newline="") as stream:
            made = _from_json(source, stream) if FORMS[source.suffix.lower()] is None else _from_csv(source, stream)
            number = 0
            for number, (place, row) in enumerate(made, start=1):
                missing = [column for column in columns if _cell(row, column) is Refused]
                if missing:
                    raise Refused(f"{source}, {place}: no column {missing[0]!r}; it has {', '.join(map(ascii, row))}")
                taken = [name for name in row if new is not None and (name == new or name.startswith(f"{new}_"))]
                if taken:
                    raise Refused(f"{source} has a column {taken[0]!r} already; give another name with --answer")
                yield number, row
            if number == 0:
                raise Refused(f"{source} has no row")
    except UnicodeDecodeError as error:
        raise Refused(f"{source} is not UTF-8 text (byte {error.start + 1}); save it as UTF-8") from error


def _from_csv(source: Path, stream: TextIO) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(stream, delimiter=FORMS[source.suffix.lower()] or ",")
    try:
        header = next(reader, [])
        double = [name for name in header if header.count(name) > 1]
        if double:
            raise Refused(f"{source} has two columns {double[0]!r}; rename one")
        for cells in reader:
            if cells and len(cells) != len(header):
                raise Refused(f"{source}, line {reader.line_num}: {len(cells)} cells, and the header has {len(header)}")
            if cells:
                yield f"line {reader.line_num}", dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise Refused(f"{source}, line {reader.line_num}: {error}") from error


def _from_json(source: Path, stream: TextIO) -> Iterator[tuple[str, dict[str, Any]]]:
    stream.reconfigure(newline="\n")  # type: ignore[attr-defined]  # a text may hold U+2028 or a lone carriage return
    for place, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Refused(f"{source}, line {place}: no JSON ({error})") from error
        if not isinstance(row, dict):
            raise Refused(f"{source}, line {place}: no JSON object; each line is one, with the columns as keys")
        yield f"line {place}", row


def _cell(row: dict[str, Any], column: str) -> Any:
    """Return a cell by its column, or by the way to a field inside one ("message.text"); `Refused` where there is none."""
    value: Any = row
    for key in (column,) if column in row else column.split("."):
        value = value.get(key, Refused) if isinstance(value, dict) else Refused
    return value


def inputs_of(row: dict[str, Any], columns: Sequence[str]) -> dict[str, str]:
    """Return the cells as texts, as they were measured: strings as they are, null as "", all else as JSON."""
    found = {}
    for column in columns:
        value = _cell(row, column)
        try:
            text = value if isinstance(value, str) else "" if value is None else AS_JSON(value)
            text.encode()
        except (ValueError, RecursionError) as error:
            raise Refused(f"the column {column!r} of a row cannot be written as text: {error}") from error
        found[column] = text
    return found


class Journal:
    """The answers so far, one line each as it comes, beside the file that they are for; gone when all are written."""

    def __init__(self, source: Path, out: Path, state: str = "") -> None:
        """Read what a stopped command left. Raises Refused where it, or `out`, belongs to something else."""
        self.path = out.with_name(out.name + ".unfinished")
        self.answers: dict[int, Answered] = {}
        self.complete = False
        made_of = {"rows": _digest(source), "model": _model_digest(), **({"state": state} if state else {})}
        before = self._before()
        written = {"written": True} in before
        if out.exists() and not written:
            raise Refused(f"{out} is there already; name a new file, or remove it")
        if before and before[0] != made_of:
            raise Refused(f"{self.path} is of other rows or another model; remove it, or name another --out")
        self.answers = {x["row"]: Answered(x["answer"], x.get("more", {})) for x in before if "row" in x}
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.fdopen(os.open(self.path, flags, 0o600), "a", encoding="ascii")
        if not before:
            self.add(made_of)

    def _before(self) -> list[dict[str, Any]]:
        """Return the whole lines; a last one that a kill cut off is taken away."""
        if not self.path.exists():
            return []
        held = self.path.read_bytes()
        whole = held[: held.rfind(b"\n") + 1]
        try:
            found = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise Refused(f"{self.path} is damaged; remove it, or name another --out") from error
        if len(whole) < len(held):
            os.truncate(self.path, len(whole))
        return found

    def keep(self, number: int, answered: Answered) -> None:
        """Write an answer down, so that it outlives this process."""
        self.answers[number] = answered
        self.add({"row": number, "answer": answered.text, **({"more": answered.more} if answered.more else {})})

    def add(self, line: dict[str, Any]) -> None:
        """Write one line down."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.complete:
            self.path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _model_digest() -> str:
    files = sorted(p for p in Path(__file__).parent.iterdir() if p.suffix in (".json", ".npz", ".py"))
    return hashlib.sha256("".join(map(_digest, files)).encode()).hexdigest()


def _answer_all(left: Iterator[Job], answer: Answer, in_flight: int, journal: Journal, total: int) -> Failed:
    """Keep `in_flight` rows under way until none is left; return what went wrong by row.

    Raises Refused where an error would meet every row; what is under way then is kept where it has come.
    """
    jobs: SimpleQueue[Job] = SimpleQueue()
    done: SimpleQueue[Reply] = SimpleQueue()
    threads = [threading.Thread(target=_work, args=(jobs, done, answer), daemon=True) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    failed: Failed = {}
    bar, under_way, in_a_row = Bar(total, len(journal.answers)), 0, 0
    try:
        while True:
            while under_way < in_flight and (job := next(left, None)) is not None:
                jobs.put(job)
                under_way += 1
            if not under_way:
                return failed
            number, answered, error = done.get()
            under_way -= 1
            if error is None:
                journal.keep(number, answered or Answered(""))
                in_a_row = 0
            elif not isinstance(error, FAILURES):
                raise error
            else:
                failed[number] = error
                in_a_row += 1
                if in_a_row >= STOP_AFTER or getattr(error, "code", None) in HOPELESS:
                    raise Refused(f"stopped at row {number}: {told(error)}. {journal.path} keeps what was answered.")
            bar.show(len(journal.answers), len(failed))
    finally:
        bar.end()
        with contextlib.suppress(Empty):
            while True:
                number, answered, error = done.get_nowait()
                if error is None:
                    journal.keep(number, answered or Answered(""))


def _work(jobs: SimpleQueue[Job], done: SimpleQueue[Reply], answer: Answer) -> None:
    while True:
        number, inputs = jobs.get()
        try:
            done.put((number, _patiently(answer, inputs), None))
        except Exception as error:  # noqa: BLE001 - nothing is lost: who waits for the answer raises what is no FAILURES
            done.put((number, None, error))


def _patiently(answer: Answer, inputs: dict[str, str]) -> Answered:
    """Return the answer, asking again later where the server is busy or the line is down."""
    for wait in WAITS_S:
        try:
            return _whole(answer(inputs))
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError) and error.code not in LATER:
                raise
            said = error.headers.get("Retry-After", "") if isinstance(error, HTTPError) else ""
            time.sleep(min(float(said), LONGEST_WAIT_S) if said.isdecimal() else wait)
    return _whole(answer(inputs))


class Bar:
    """How far it is, on standard error: one line that changes in a terminal, else a line every half minute."""

    def __init__(self, total: int, before: int) -> None:
        self.total, self.before, self.start, self.live = total, before, time.monotonic(), sys.stderr.isatty()
        self.next = self.start + (0.0 if self.live else 30.0)

    def show(self, answered: int, failed: int) -> None:
        """Tell it, where it is time to."""
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + (0.2 if self.live else 30.0)
        rate = (answered - self.before) / max(now - self.start, 1e-9)
        words = f"{answered:,} of {self.total:,} rows, {rate:,.1f} a second" + f", {failed:,} failed" * bool(failed)
        print(f"\r{words}  " if self.live else words, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.live:
            print(file=sys.stderr)


def _write(source: Path, out: Path, columns: Sequence[str], name: str, journal: Journal, failed: Failed) -> None:
    """Write the rows in their order with their answers, whole or not at all."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    separator = FORMS[out.suffix.lower()]
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(part, flags, 0o600), "w", encoding="utf-8", errors="replace", newline="") as stream:
            writer, header = csv.writer(stream, delimiter=separator or ",", lineterminator="\n"), []  # type: ignore[var-annotated]
            further = sorted({key for a in journal.answers.values() for key in a.more})
            for number, row in rows_of(source, columns):
                found = journal.answers.get(number, Answered(""))
                full = {**row, name: found.text, **{f"{name}_{key}": found.more.get(key, []) for key in further}}
                if number in failed:
                    full[f"{name}_error"] = told(failed[number])
                if separator is None:
                    stream.write(json.dumps(full, ensure_ascii=False) + "\n")
                    continue
                if not header:
                    header = [*row, name, *(f"{name}_{key}" for key in further), *([f"{name}_error"] if failed else [])]
                    writer.writerow(header)
                strange = [key for key in full if key not in header]
                if strange:
                    raise Refused(f"row {number} has a column {strange[0]!r} that row 1 has not: write --out as .jsonl")
                writer.writerow([inputs_of({c: full.get(c)}, [c])[c] for c in header])
        journal.add({"written": True})  # the file of answers is ours and may be written again
        os.replace(part, out)
        journal.complete = not failed
    finally:
        part.unlink(missing_ok=True)

"""The native client's reading of answers, many thousands in one process under sanitizers, against the client in Python."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fuzz import corpus
from native_client import FOUND_BY_SANITIZER, SANITIZED

from keyvault.agent import client

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("cc") is None, reason="there is no C compiler, so there is no native client"
)
_HARNESS = os.path.join(os.path.dirname(__file__), "..", "..", "native_parser.c")
_CLIENT = os.path.join(os.path.dirname(client.__file__), "native", "client.c")
_WORDS = [b"run", b"--", b"true", b"x"]
_PIECES = (b"2", b"3", b"\0", b"A=b", b"PATH=/a::/b", b"=", b"1", b"9999999", b"-1", b" 2", b"out\n", b"\xff", b"x/y", b"")
Seen = tuple[str, int, bytes, bytes, list[bytes], dict[bytes, bytes]]


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The harness around the client's own source: what writes and starts programs is replaced, and nothing else."""
    folder = tmp_path_factory.mktemp("native-parser")
    path = str(folder / "parser")
    prepared = folder / "client.c"
    source = Path(_CLIENT).read_text(encoding="ascii")
    for name, stand_in in (("write(", "seen_write("), ("execve(", "seen_execve(")):
        assert f" {name}" in source
        source = source.replace(f" {name}", f" {stand_in}")
    prepared.write_text(source, encoding="ascii")
    flags = ("-std=c11", *SANITIZED, "-Wno-unused-function", f'-DCLIENT="{prepared}"')
    subprocess.run(["cc", *flags, "-o", path, _HARNESS], check=True, timeout=120)
    return path


def answers(chance: random.Random, count: int) -> Iterator[bytes]:
    """Right answers, and such with a few bytes changed, cut off or put in."""
    kept = [data.ljust(2, b"\0") for data in corpus.kept("agent-answer")] + [b"\2\0" + d for d in corpus.kept("agent-program")]
    for _ in range(count):
        if chance.random() < 0.3:
            made = bytearray(chance.choice(kept))
        else:
            made = bytearray([chance.choice((0, 0, 1, 2, 2, 3, 255)), chance.randrange(256)])
            for _ in range(chance.randrange(5)):
                text = b"".join(chance.choice(_PIECES) for _ in range(chance.randrange(8)))
                made += bytes([chance.choice((1, 2, 3, 3))]) + len(text).to_bytes(4, "big") + text
        for _ in range(chance.choice((0, 0, 1, 2, 5))):
            at = chance.randrange(len(made) + 1)
            made[at : at + chance.choice((0, 1, 1, 4))] = chance.choice(
                (b"", b"\0", b"\1", b"\xff", b"\xff\xff\xff\xff", b"\3\0\0")
            )
        yield bytes(made.ljust(2, b"\0"))


def seen_by_python(rest: bytes) -> Seen:
    answer = client.parse(rest)
    if answer is None or answer[0] not in (client.DONE, client.EXEC):
        return "-", 0, b"", b"", [], {}
    status, code, chunks = answer
    out, err = (b"".join(content for stream, content in chunks if stream == one) for one in (client.OUT, client.ERR))
    program, variables = (client.program_of(_WORDS, chunks) or ([], {})) if status == client.EXEC else ([], {})
    return "D" if status == client.DONE else "E", code if status == client.DONE else 0, out, err, program, variables


def seen_by_native(parser: str, rests: Sequence[bytes]) -> Iterator[Seen]:
    options = f"exitcode={FOUND_BY_SANITIZER}:detect_leaks=0"  # where it is no answer the process goes on as another program
    done = subprocess.run(
        [parser],
        input=b"".join(len(rest).to_bytes(4, "big") + rest for rest in rests),
        capture_output=True,
        env={"ASAN_OPTIONS": options, "UBSAN_OPTIONS": f"exitcode={FOUND_BY_SANITIZER}"},
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    at, said = 0, done.stdout
    for _ in rests:
        kind, code, at = chr(said[at]), said[at + 1], at + 2
        texts = []
        for _ in range(4):
            size = int.from_bytes(said[at : at + 4], "big")
            texts.append(said[at + 4 : at + 4 + size])
            at += 4 + size
        program, variables = (text.removesuffix(b"\0").split(b"\0") if text else [] for text in texts[2:])
        yield kind, code, texts[0], texts[1], program, dict(entry.split(b"=", 1) for entry in variables)
    assert at == len(said)


def _compare(parser: str, rests: Sequence[bytes]) -> set[str]:
    kinds = set()
    for rest, native in zip(rests, seen_by_native(parser, rests), strict=True):
        assert native == seen_by_python(rest), rest
        kinds.add(native[0] + ("program" if native[4] else ""))
    return kinds


def test_both_clients_read_any_answer_alike(parser: str) -> None:
    rests = list(answers(random.Random(7), 20_000))
    assert _compare(parser, rests) == {"-", "D", "E", "Eprogram"}


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_both_clients_read_many_answers_alike(parser: str) -> None:
    for seed in range(100):
        _compare(parser, list(answers(random.Random(os.urandom(8).hex() + str(seed)), 20_000)))

"""Every parser of bytes from outside, as a function of bytes that fails where the parser breaks a promise.

One promise holds for all: nothing but our own errors comes out, whatever goes in. Where there is more to promise, such as
that what was read is written the same again, the function says so.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from typing import Any

from fuzz import answers, own_files, programs, wires
from fuzz.folders import folder, holding

from keyvault.agent import lifetime
from keyvault.audit import baseline
from keyvault.audit.leaks import searching, views
from keyvault.audit.leaks.pieces import OwnKey, Piece, Plan
from keyvault.cli import terminal, value_input
from keyvault.core import clock, refs, text
from keyvault.core.errors import KeyvaultError
from keyvault.core.secret import Secret
from keyvault.discover import sources, text_file
from keyvault.discover.sources.base import CannotEdit, Gone
from keyvault.discover.stores import binary_kind, check_kdf, read_1pux
from keyvault.environment import project, startup_file
from keyvault.formats import FORMATS
from keyvault.formats import load as load_format
from keyvault.liveness import verdict
from keyvault.net import proxies
from keyvault.net.address import ascii_url
from keyvault.net.client import Answer
from keyvault.providers import catalogue, identify
from keyvault.unlock import recovery
from keyvault.vault import codec, journal, keys, slots, tree

OWN = "own-Value/with+odd chars"


def head(data: bytes) -> None:
    """A head that is accepted has one spelling only."""
    header_bytes, sealed = codec.split_head(codec.MAGIC + len(data).to_bytes(4, "big") + data)
    assert not sealed
    header = codec.decode_header(header_bytes)
    assert codec.encode_header(header) == header_bytes
    slots.decode_all(header)


def raw_head(data: bytes) -> None:
    header_bytes, _ = codec.split_head(data)
    codec.decode_header(header_bytes)


def record(data: bytes) -> None:
    """What is read means the same when it is written and read again."""
    key = keys.decode_record(data)
    assert keys.decode_record(keys.encode_record(key)) == key
    key.due(clock.now())


def values(data: bytes) -> None:
    decoded = keys.decode_values(data)
    assert keys.decode_values(keys.encode_values(decoded)) == decoded


def journal_row(data: bytes) -> None:
    _, row, body = journal.decode(data, 3)
    assert row.seq == 3
    assert journal.decode(data[: len(data) - len(body)] + journal.encode(row), 3)[1] == row


def leaf(data: bytes) -> None:
    page = data[2:]
    node = tree.Node(bytes(32), data[1] if len(data) > 1 else 0, max(0, len(page) - 5))
    records = tree.records_of(page, node, b"")
    assert len(records) == node.records or page[:1] == b"B"


def recovery_code(data: bytes) -> None:
    secret = recovery.decode(data.decode("utf-8", "replace"))
    assert recovery.decode(recovery.encode(secret)) == secret


def project_file(data: bytes) -> None:
    found = project.parse("/p/.keyvault.toml", data)
    for profile in ("", *found.profiles):
        for entry in found.entries(profile):
            assert refs.check_variable(entry.variable) == entry.variable


def start_up_block(data: bytes) -> None:
    """A block that was put in comes out without a trace; one that was there is replaced."""
    there = startup_file.find(data)
    changed = startup_file.with_block(data, "echo 1\n")
    if there is None:
        assert startup_file.without_block(changed) == data
    assert startup_file.with_block(changed, "echo 1\n") == changed


def vendor_file(data: bytes) -> None:
    assert catalogue.parse(data, "fuzzed", "fuzzed.toml").id == "fuzzed"


def source(kind: str) -> Callable[[bytes], None]:
    """Values are where they are said to be, and what is taken out is out."""

    def read(data: bytes) -> None:
        file = text_file.decode("/home/u/" + kind, data)
        reader = sources.text_source(kind)
        found = reader.read(file).found
        assert all(one.value for one in found)
        cuts = [one for one in found if one.cut is not None]
        with suppress(CannotEdit):
            left = reader.without(file.text, [Gone(one, "x/y") for one in cuts])
            for value in {one.value.reveal() for one in cuts}:
                assert value not in left or file.text.count(value) != 1

    return read


def recognised(data: bytes) -> None:
    name, _, content = data.partition(b"\n")
    file = text_file.decode("/home/u/" + name.decode("utf-8", "replace"), content)
    sources.recognise(file).read(file)


def one_password_export(data: bytes) -> None:
    read_1pux(holding(data, "export.1pux"))


def keepass_header(data: bytes) -> None:
    """Before a password is asked for: what a database wants of this machine is not too much, or it is refused."""
    if binary_kind(data, "x.kdbx") == "keepass":
        check_kdf(data)


def merged(name: str) -> Callable[[bytes], None]:
    """A merge does nothing the second time. (GitHub's file is only ever added to.)"""

    def merge(data: bytes) -> None:
        form = load_format(name, "portable")
        existing = data.decode("utf-8", "surrogateescape")
        once = form.merge(existing, [("FUZZED_API_KEY", "sk-0123456789")])
        assert once.refused or "FUZZED_API_KEY" in once.text
        assert form.merge(once.text, [("FUZZED_API_KEY", "sk-0123456789")]).text == once.text

    return merge


def accepted_findings(data: bytes) -> None:
    assert len(baseline.read(holding(data, "baseline.json")).salt) == 16


def searched(data: bytes) -> None:
    """Both engines tell the same, and nothing lies outside of the text."""
    hyperscan, plain = (one.search(Piece(data, "p")) for one in _searches())
    assert hyperscan == plain
    for leak in hyperscan:
        assert 0 <= leak.line <= data.count(b"\n") + 1


def planted(data: bytes) -> None:
    """An own key is found in any text that it stands in by itself, and as base64 of a line."""
    own = OWN.encode()
    if data.startswith(views.GZIP):
        return
    for hidden in (own, base64.b64encode(b"a=" + own)):
        around = data[: len(data) // 2] + b"\n\n" + hidden + b"\n\n" + data[len(data) // 2 :]
        assert any(leak.ref == "own/0" for leak in _searches()[1].search(Piece(around, "p")))


def identified(data: bytes) -> None:
    for candidate in identify.candidates(data.decode("utf-8", "replace")):
        assert catalogue.load(candidate.provider.id) is not None


def verdicts(data: bytes) -> None:
    """Every vendor's rules on any body: a verdict that has a meaning; never invalid because of what a 200 says."""
    status = (200, 400, 401, 402, 403, 404, 429, 500)[data[0] % 8 if data else 0]
    body = data[1:].decode("utf-8", "replace")
    for vendor in catalogue.our_own():
        for check in vendor.checks:
            answer = Answer(status, body, body.startswith("<html"), True, None)
            assert verdict.read(check, answer).verdict in verdict.MEANINGS
            assert verdict.read_strictly(check, answer).verdict in verdict.MEANINGS


def words(data: bytes) -> None:
    """What is typed: refs, variables, times, spans, addresses."""
    typed = data.decode("utf-8", "replace")
    for parse in (refs.parse_ref, refs.check_variable, clock.parse_time, clock.parse_span):
        with suppress(KeyvaultError):
            parse(typed)
    with suppress(KeyvaultError):
        assert 0 < lifetime.span(typed) <= 366 * clock.DAY
    with suppress(KeyvaultError):
        assert clock.parse_time(typed, relative_to=clock.LATEST) <= clock.LATEST
    with suppress(ValueError):
        assert proxies._proxy(typed, None).url.host  # type: ignore[arg-type]  # no TLS
    assert all("kept" in doubt for doubt in value_input.doubts(typed))
    with suppress(terminal.Interrupted):
        asked: Any = SimpleNamespace(write=len, read=io.BytesIO(data).read)
        assert not terminal._ask_on(asked, "?").endswith((b"\n", b"\r"))
    with suppress(ValueError):
        url = ascii_url("https://" + typed)
        assert url.isascii()
        assert ascii_url(url) == url
    shown = text.escape(typed)
    assert not any(text.is_unsafe(ord(c)) for c in shown)


@cache
def _searches() -> tuple[searching.Search, ...]:
    own = (OwnKey("own/0", "own", Secret(OWN), True),)
    return tuple(searching.searcher(Plan(own, b"k" * 32, name, folder())) for name in ("hyperscan", "plain"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "head": head,
    "raw-head": raw_head,
    "record": record,
    "values": values,
    "journal-row": journal_row,
    "leaf": leaf,
    "recovery-code": recovery_code,
    "project-file": project_file,
    "start-up-block": start_up_block,
    "vendor-file": vendor_file,
    "recognised": recognised,
    "1pux": one_password_export,
    "keepass-header": keepass_header,
    "accepted-findings": accepted_findings,
    "searched": searched,
    "planted": planted,
    "identified": identified,
    "verdicts": verdicts,
    "words": words,
    **answers.TARGETS,
    **own_files.TARGETS,
    **programs.TARGETS,
    **wires.TARGETS,
    **{f"source-{kind}": source(kind) for kind in sources.TEXT_KINDS},
    **{f"merge-{name}": merged(name) for name in FORMATS if load_format(name).is_file and name != "github-actions"},
}


def run(target: str, data: bytes) -> str:
    """One input: what it is refused with, which is fine if it can be shown as it is; else an empty text."""
    try:
        TARGETS[target](data)
    except KeyvaultError as exc:
        refusal = exc.message + exc.hint
        assert not any(text.is_unsafe(ord(c)) for c in refusal), refusal
        return refusal
    return ""

"""Both ends of the wire, against each other and against nonsense."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyvault.agent import client, handing, protocol
from keyvault.agent.protocol import Call, Reply
from keyvault.core.errors import InvalidInput

_TEXT = st.text(st.characters(exclude_characters="\0"), max_size=20).filter(
    lambda t: not any("\ud800" <= c <= "\udfff" for c in t)
)


@given(
    st.lists(_TEXT, max_size=5),
    st.dictionaries(_TEXT.filter(lambda name: "=" not in name), _TEXT, max_size=5),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.integers(0, 9999),
)
def test_a_request_is_read_as_it_was_meant(
    words: list[str], environment: dict[str, str], terminals: tuple[bool, bool, bool], columns: int
) -> None:
    flags = "".join("1" if flag else "0" for flag in terminals)
    fields = ["1", "call", "/somewhere", f"{flags},{columns}", str(len(words)), *words]
    fields += [f"{name}={value}" for name, value in environment.items()]
    body = "\0".join(fields).encode()
    call = protocol.parse(body, 7)
    assert call is not None
    assert call._replace(environment=b"") == Call("call", b"/somewhere", terminals, columns, words, b"", 7)
    assert protocol.variables(call.environment) == environment


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"1", b"call", b"/", b"000,0", b"2", b"x", b"A=b"])).map(b"\0".join))
def test_no_bytes_make_it_fail(body: bytes) -> None:
    call = protocol.parse(body, 1)
    assert call is None or call.verb.encode() in protocol.VERBS


@given(st.integers(0, 3), st.integers(0, 255), st.lists(st.tuples(st.integers(1, 3), st.binary(max_size=50)), max_size=5))
def test_an_answer_is_read_as_it_was_meant(status: int, code: int, chunks: list[tuple[int, bytes]]) -> None:
    encoded = b"".join(protocol.encode(Reply(status, code, tuple(chunks))))
    assert int.from_bytes(encoded[:4], "big") == len(encoded) - 4
    assert client.parse(encoded[4:]) == (status, code, chunks)


@given(st.binary(min_size=2, max_size=60))
def test_no_answer_makes_the_client_fail(rest: bytes) -> None:
    answer = client.parse(rest)
    assert answer is None or sum(len(content) + 5 for _, content in answer[2]) == len(rest) - 2


def test_an_answer_that_is_too_long_is_left_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LARGEST_ANSWER", 100)
    assert b"".join(protocol.encode(Reply(0, 0, ((1, bytes(94)),)))) == b"\0\0\0\2" + bytes([client.NOT_SERVED, 0])
    assert b"".join(protocol.encode(Reply(0, 0, ((1, bytes(93)),))))[4] == client.DONE


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KEYVAULT_HOME": "/v", "XDG_RUNTIME_DIR": "/run/user/1"}, b"/run/user/1/keyvault/07d65007b49cb218.sock"),
        ({"KEYVAULT_HOME": "/v", "HOME": "/h"}, b"/h/.local/state/keyvault/run/07d65007b49cb218.sock"),
        ({"KEYVAULT_HOME": "/v", "HOME": "/h", "XDG_STATE_HOME": "/s"}, b"/s/keyvault/run/07d65007b49cb218.sock"),
        (
            {"KEYVAULT_HOME": "/v", "HOME": "/h", "XDG_RUNTIME_DIR": "relative"},
            b"/h/.local/state/keyvault/run/07d65007b49cb218.sock",
        ),
        ({"KEYVAULT_HOME": "/v", "HOME": "/h", "XDG_STATE_HOME": "relative"}, None),
        ({"KEYVAULT_HOME": "/v", "XDG_RUNTIME_DIR": "/" + "x" * 80}, None),
        ({"KEYVAULT_HOME": "v", "XDG_RUNTIME_DIR": "/r"}, None),
        ({"KEYVAULT_HOME": "/v/", "XDG_RUNTIME_DIR": "/r"}, None),
        ({"KEYVAULT_HOME": "/a/../v", "XDG_RUNTIME_DIR": "/r"}, None),
        ({"KEYVAULT_HOME": "//v", "XDG_RUNTIME_DIR": "/r"}, None),
        ({"XDG_DATA_HOME": " /d ", "XDG_RUNTIME_DIR": "/r"}, None),
        ({"XDG_RUNTIME_DIR": "/r"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_where_the_socket_is(environment: dict[str, str], expected: bytes | None) -> None:
    assert client.socket_path({os.fsencode(name): os.fsencode(value) for name, value in environment.items()}) == expected


def test_the_name_is_fnv_1a() -> None:
    # the published vector for "foobar": draft-eastlake-fnv, appendix C
    assert client.socket_in(b"/r", b"foobar") == b"/r/85944171f73967e8.sock"


def test_the_default_vault_is_the_one_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from keyvault.core import settings

    monkeypatch.setenv("HOME", "/h")
    for name in ("KEYVAULT_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    environment = settings.environment_bytes() | {b"XDG_RUNTIME_DIR": b"/r"}
    assert client.socket_path(environment) == client.socket_in(b"/r/keyvault", os.fsencode(settings.load().home))


_WORDS = [b"run", b"--", b"true", b"x"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (b"2\0A=b\0C=", ([b"true", b"x"], {b"A": b"b", b"C": b""})),
        (b"3\0A=b=c", ([b"x"], {b"A": b"b=c"})),
        (b"0\0A=b", None),
        (b"4\0A=b", None),
        (b"-1\0A=b", None),
        (b" 2\0A=b", None),
        (b"x\0A=b", None),
        (b"9" * 5000 + b"\0A=b", None),
        (b"2", None),
        (b"2\0", None),
        (b"2\0A", None),
        (b"2\0=b", None),
        (b"2\0A=b\0", None),
        (b"", None),
    ],
)
def test_what_is_no_program_is_left_to_the_slow_path(told: bytes, expected: object) -> None:
    assert client.program_of(_WORDS, [(client.ERR, b"warned"), (client.DATA, told[:3]), (client.DATA, told[3:])]) == expected


@pytest.mark.parametrize(
    "about",
    [
        b"",
        b"[" * 4000,
        b"{}",
        b"[]",
        b'{"home": 1, "state": "/s", "limits": [1, 0, false, false], "vault_id": "v", "epoch": 1}',
        b'{"home": "/h", "state": "/s", "limits": [1, 0, 0, 0], "vault_id": "v", "epoch": 1}',
        b'{"home": "/h", "state": "/s", "limits": [1, 0, false], "vault_id": "v", "epoch": 1}',
        b'{"home": "/h", "state": "/s", "limits": 5, "vault_id": "v", "epoch": 1}',
    ],
)
def test_an_agent_begins_with_what_was_meant_or_not_at_all(about: bytes) -> None:
    given, gives = os.pipe()
    os.write(gives, about.ljust(handing.KEYS_AT) + bytes(160))
    os.close(gives)
    try:
        with pytest.raises(InvalidInput):
            handing.receive(given)
    finally:
        os.close(given)

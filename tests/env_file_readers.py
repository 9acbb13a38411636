"""Readers of environment files, written anew from what their programs do, for those that cannot be run in a test."""

from __future__ import annotations

import re


def docker(text: str, *, strips_quotes: bool) -> dict[str, str]:
    """docker/cli, pkg/kvfile: before and after it began to take off quotes."""
    found = {}
    for raw in text.encode().split(b"\n"):
        assert len(raw) + 1 < 64 * 1024, "bufio.Scanner: token too long"
        line = raw.removesuffix(b"\r").decode().lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        assert name and not re.search(r"[ \t]", name)
        if strips_quotes and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if equals:
            found[name] = value
    return found


def compose(text: str) -> dict[str, str]:
    """compose-spec/compose-go v2, dotenv/parser.go."""
    found = {}
    rest = text.removeprefix("\ufeff")
    while rest := rest.lstrip():
        if rest.startswith("#"):
            rest = rest.partition("\n")[2]
            continue
        match = re.match(r"(?:export\s+)?([\w.\[\]]+)[ \t\v\f\r\x85\xa0]*[=:][ \t\v\f\r\x85\xa0]*", rest)
        assert match, "unexpected character in variable name"
        rest = rest[match.end() :]
        if rest[:1] in ("'", '"'):
            value, rest = _compose_quoted(rest)
        else:
            value, _, rest = rest.partition("\n")
            value = _compose_expand(value.partition(" #")[0].rstrip())
        found[match[1]] = value
    return found


def _compose_quoted(rest: str) -> tuple[str, str]:
    quote, value, at = rest[0], "", 1
    while rest[at] != quote:
        if rest[at] == "\\":
            value += rest[at + 1] if rest[at + 1] == quote else rest[at : at + 2]
            at += 1
        else:
            value += rest[at]
        at += 1
    if quote == '"':
        known = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "$": "$$"}
        value = re.sub(r'\\([abfnrtv$"\\])|\\0\d{0,3}|\\c', lambda m: known[m[1]], value)
        value = _compose_expand(value)
    return value, rest[at + 1 :]


def _compose_expand(value: str) -> str:
    assert not re.search(r"\$", value.replace("$$", "")), "a variable would be expanded"
    return value.replace("$$", "$")


def compose_2022(text: str) -> dict[str, str]:
    """compose-go v1.2, which joined quoted values differently; for values that fit on this simple path only."""
    found = {}
    rest = text
    while rest := rest.lstrip():
        if rest.startswith("#"):
            rest = rest.partition("\n")[2]
            continue
        match = re.match(r"(?:export)?\s*([\w.]+)[ \t\v\f\r]*[=:][ \t\v\f\r]*", rest)
        assert match
        rest = rest[match.end() :]
        if rest[:1] in ("'", '"'):
            quote = rest[0]
            end = next(at for at in range(1, len(rest)) if rest[at] == quote and rest[at - 1] != "\\")
            value, rest = rest[:end].strip(quote), rest[end + 1 :]
            assert quote == "'" or not re.search(r"[\\$]", value)
        else:
            value, _, rest = rest.partition("\n")
            value = value.partition("#")[0].rstrip()
            assert "$" not in value
        found[match[1]] = value
    return found


def systemd(text: str) -> dict[str, str]:
    """systemd, src/basic/env-file.c; agrees with the `load_env_file` of libsystemd-shared 252."""
    assert not re.search("[\ufdd0-\ufdef]", text) and all(ord(c) & 0xFFFE != 0xFFFE for c in text)
    found: dict[str, str] = {}
    state, name, value = "before name", "", ""
    solid = 0  # how much of an unquoted value is not trailing white space
    for char in text + "\n":
        if state == "before name":
            if char in "#;":
                state = "comment"
            elif not char.isspace():
                state, name, value, solid = "name", char, "", 0
        elif state == "comment":
            state = "before name" if char in "\n\r" else state
        elif state == "name":
            if char in "\n\r":
                state = "before name"
            elif char == "=":
                state = "before value"
            else:
                name += char
        elif state in ("before value", "value"):
            if char in "\n\r":
                found[name.strip()] = value[:solid] if state == "value" else value
                state = "before name"
            elif char == "\\":
                state = "escape"
            elif state == "before value" and char in "'\"":
                state = char
            elif state == "value" or char not in " \t":
                state, value = "value", value + char
                solid = solid if char in " \t" else len(value)
        elif state == "escape":
            state = "value"
            value += "" if char in "\n\r" else char
            solid = len(value)
        elif state == '"\\':
            value += "" if char == "\n" else char if char in '"\\`$' else "\\" + char
            state = '"'
        elif char == state:
            state = "before value"
        elif state == '"' and char == "\\":
            state = '"\\'
        else:
            value += char
    assert state == "before name"
    return found


def github(text: str, *, windows: bool) -> dict[str, str]:
    """actions/runner, FileCommandManager.cs."""
    found: dict[str, str] = {}
    at = 0

    def line() -> tuple[str, str]:
        nonlocal at
        end = text.find("\n", at)
        assert end >= 0, "matching delimiter not found"
        got, at = text[at:end], end + 1
        if windows and got.endswith("\r"):
            return got[:-1], "\r\n"
        return got, "\n"

    while at < len(text):
        first, _ = line()
        if not first:
            continue
        name, mark, delimiter = first.partition("<<")
        assert mark and name and delimiter and "=" not in name
        start = end = at
        got, newline = line()
        while got != delimiter:
            end = at - len(newline)
            got, newline = line()
        found[name] = text[start:end]
    return found


def batch(text: str) -> dict[str, str]:
    """What cmd.exe makes of a file of `@set "NAME=value"` lines, whatever the code page and delayed expansion are."""
    found = {}
    for line in text.split("\r\n")[:-1]:
        assert len(line) <= 8191 and line.isascii() and line.isprintable()
        assert "!" not in line
        match = re.fullmatch(r'@set "([A-Za-z_]\w*)=([^"]*)"', line)
        assert match, line
        single = match[2].replace("%%", "\0")
        assert "%" not in single, "a variable would be expanded"
        assert single, "the variable would be deleted"
        found[match[1]] = single.replace("\0", "%")
    assert text.endswith("\r\n") or not text
    return found

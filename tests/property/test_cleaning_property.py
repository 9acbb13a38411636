"""Taking values out leaves every other byte where it was, whatever stands around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyvault.discover import sources, text_file
from keyvault.discover.sources.base import Gone

A = "sk-aaaaaaaaaa1111111111"
# kind -> other lines, a line with the value, and the line that takes its place (None: none)
KINDS: dict[str, tuple[list[str], str, str | None]] = {
    "shell": (
        [
            "# \u4e2d it's",
            "alias x='y z'",
            'PS1="\\u $ "',
            "",
            "if true; then",
            "  :",
            "fi",
            "echo \\",
            "\tx=1",
            "umask 022; cd",
            "[ -f ~/x ] && . ~/x",
        ],
        f"export NAME_API_KEY='{A}'",
        "# NAME_API_KEY: keyvault x/y",
    ),
    "fish": (
        ["# it's", "alias x 'y z'", "", "set -g fish_greeting", "if true", "end"],
        f"set -gx NAME_API_KEY '{A}'",
        "# NAME_API_KEY: keyvault x/y",
    ),
    "powershell": (
        ["# its", "Set-Alias x y", "", "$x = 'it''s'", "function f { }"],
        f"$env:NAME_API_KEY = '{A}'",
        "# NAME_API_KEY: keyvault x/y",
    ),
    "cmd": (
        ["rem it's", "@echo off", "", "set PATH=%PATH%;x", "if x==y (", ")"],
        f"set NAME_API_KEY={A}",
        "rem NAME_API_KEY: keyvault x/y",
    ),
    "renviron": (["# it's", "", "R_LIBS=~/R", "X=${Y}"], f"NAME_API_KEY={A}", "# NAME_API_KEY: keyvault x/y"),
    "dotenv": (["# it's \u4e2d", "", "PORT=3000", "X=${Y}", "NAME='z z' # c"], f"NAME_API_KEY='{A}'", None),
    "npmrc": (
        ["; it's", "", "fund=false", "# x", "@a:registry=https://x.invalid/"],
        f"//registry.npmjs.org/:_authToken={A}",
        None,
    ),
    "aws": (["# it's", "", "[default]", "region = eu", "[profile x]", "output=json"], f"aws_access_key_id = {A}", None),
    "yaml": (["# it's", "", "port: 3000", "x: 'y z'", "list: [1, 2]"], f"name_api_key: {A}", None),
    "toml": (["# it's", "", "# [x]"], f'name_api_key = "{A}"', None),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_other_line_stays(kind: str, data: st.DataObject) -> None:
    others, line, left = KINDS[kind]
    chosen = data.draw(st.lists(st.sampled_from([*others, *[None] * 3]), min_size=1, max_size=12))
    if kind in ("yaml", "toml"):
        chosen = list({one or "": one for one in chosen}.values())  # a name twice is an error there
    if kind == "shell":
        chosen = [one for one in chosen if one != "echo \\"]
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    last = data.draw(st.sampled_from(["", ending]))
    text = ending.join(line if one is None else one for one in chosen) + last
    source = sources.text_source(kind)
    file = text_file.decode("x", text.encode())
    assert file.encode(file.text) == text.encode()
    found = [f for f in source.read(file).found if f.cut and f.value.reveal() == A]
    if kind != "aws":
        assert len(found) == sum(one is None for one in chosen)
    after = source.without(text, [Gone(f, "x/y") for f in found])
    numbers = {f.line for f in found}
    lines = [one if number not in numbers else left for number, one in enumerate([line if c is None else c for c in chosen], 1)]
    kept = [one for one in lines if one is not None]
    if kept and lines[-1] is not None:
        assert after == ending.join(kept) + last
    else:  # the last line went, with its end or without one
        assert after == "".join(one + ending for one in kept)


names = st.text("abcAPI_KEY", min_size=1, max_size=6)
leaves = st.one_of(st.integers(), st.booleans(), st.none(), st.text('a,{}[]"\\:/ ', max_size=8), st.just(A))
documents = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)), max_leaves=20
)


@given(documents.filter(lambda value: isinstance(value, dict)), st.sampled_from([None, 2]), st.booleans())
def test_json_loses_those_members_and_nothing_else(value: object, indent: int | None, keep_first: bool) -> None:
    import json

    from keyvault.discover.json_places import Document

    text = json.dumps({"outer": value, "first": A}, indent=indent)
    document = Document(text)
    gone = [one for one in document if one.value == A and not (keep_first and one.path == ("first",))]
    after = document.without(gone)

    def without(node: object, top: bool = False) -> object:
        if isinstance(node, dict):
            return {k: without(v) for k, v in node.items() if v != A or (top and keep_first)}
        return [without(one) for one in node if one != A] if isinstance(node, list) else node

    assert json.loads(after) == without({"outer": value, "first": A}, top=True)

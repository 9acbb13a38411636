from __future__ import annotations

import re

import pytest
import tree_sitter_powershell
from hard_values import BIG, NASTY, named, values
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Language, Node, Parser

from keyvault.core.errors import NotCarried
from keyvault.formats import load

_PARSER = Parser(Language(tree_sitter_powershell.language()))


def _statements(text: str) -> list[Node]:
    tree = _PARSER.parse(text.encode())
    assert not tree.root_node.has_error, text
    return [
        child
        for group in tree.root_node.children
        for child in (group.children if group.type == "statement_list" else [group])
        if child.type not in (";", "empty_statement")
    ]


def _assignment(node: Node) -> tuple[str, str]:
    """What one statement assigns, read with the grammar's help and nothing of ours."""
    while node.type != "assignment_expression":
        assert node.named_child_count == 1, node
        child = node.named_child(0)
        assert child is not None
        node = child
    left, right = node.named_children[0], node.named_children[-1]
    name = re.fullmatch(rb"\$\{env:(\w+)\}", left.text or b"")
    assert name
    return name[1].decode(), _concatenation((right.text or b"").decode("ascii"))


def _concatenation(expression: str) -> str:
    """The value of `'...' + [char]0x....`: UTF-16 units, the first operand a string."""
    units = b""
    at = 0
    while True:
        piece = re.compile(r"'((?:[^']|'')*)'|\[char\]0x([0-9a-f]{4})").match(expression, at)
        assert piece, expression[at:]
        assert at or piece[1] is not None, "a character plus a character is a number"
        units += (piece[1].replace("''", "'") if piece[1] is not None else chr(int(piece[2], 16))).encode(
            "utf-16-le", "surrogatepass"
        )
        at = piece.end()
        if at == len(expression):
            return units.decode("utf-16-le")
        assert expression.startswith(" + ", at)
        at += 3


def _check(text: str, expected: list[tuple[str, str]]) -> None:
    assert text.isascii()
    assert [_assignment(node) for node in _statements(text)] == expected
    # PowerShell hands a program's output on line by line, and joins it with blanks where a string is wanted
    lines = text.splitlines()
    assert [_assignment(one) for line in lines for one in _statements(line)] == expected
    assert [_assignment(node) for node in _statements(" ".join(lines))] == expected
    assert len(lines) == len(expected)


@pytest.mark.parametrize("value", [value for value in NASTY if value] + BIG[1:])
def test_nasty_values_are_one_assignment_a_line(value: str) -> None:
    _check(load("powershell").assign("KV_0", value), [("KV_0", value)])


@settings(max_examples=80, deadline=None)
@given(st.lists(values.filter(bool), min_size=1, max_size=30))
def test_any_values_are_one_assignment_a_line(these: list[str]) -> None:
    rendered = load("powershell").render(named(these))
    assert rendered.refused == ()
    _check(rendered.text, named(these))


def test_an_empty_value_would_delete_and_is_refused() -> None:
    with pytest.raises(NotCarried):
        load("powershell").assign("KV_0", "")


def test_typographic_quotes_never_stand_in_the_text() -> None:
    text = load("powershell").assign("KV_0", "a‘b’c‚d‛e'f")
    assert text == "${env:KV_0} = 'a' + [char]0x2018 + 'b' + [char]0x2019 + 'c' + [char]0x201a + 'd' + [char]0x201b + 'e''f';\n"


def test_unset_and_failure_parse() -> None:
    form = load("powershell")
    assert len(_statements(form.unset("KV_0"))) == len(_statements(form.failure(4))) == 1

"""The borders that an import linter cannot see: who reads the environment, prints, exits, and catches everything."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator

import pytest

import keyvault

_ROOT = os.path.dirname(os.path.abspath(keyvault.__file__))
_LONGEST_MODULE = 400
_SETTINGS = "core/settings.py"
_HELPER = "store/keyring_helper.py"  # a process of its own: it answers on stdout
_GUARD = "cli/guard.py"
_CLIENT = "agent/client.py"  # it runs by itself, with nothing of ours
_EXECS = "environment/run.py"  # it flushes the streams: exec would lose what they hold


def _modules() -> list[str]:
    found = [
        os.path.relpath(os.path.join(folder, name), _ROOT).replace(os.sep, "/")
        for folder, _, names in os.walk(_ROOT)
        for name in names
        if name.endswith(".py")
    ]
    assert {_SETTINGS, _HELPER, _GUARD, "__main__.py"} <= set(found)
    return sorted(found)


def _source(module: str) -> str:
    with open(os.path.join(_ROOT, module), encoding="utf-8") as file:
        return file.read()


def _names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every `name` called, every `package.attribute`, and every name taken by `from package import attribute`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", node.lineno
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno


def _reads_environment(name: str) -> bool:
    return name in ("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv", "posix.environ")


def _prints(name: str) -> bool:
    return name in ("print", "pprint.pprint", "click.echo", "click.secho")


def _uses_streams(name: str) -> bool:
    return name.removeprefix("sys.").strip("_") in ("stdin", "stdout", "stderr") and name.startswith("sys.")


def _exits(name: str) -> bool:
    return name in ("sys.exit", "exit", "quit", "SystemExit")


def _in_cli(module: str) -> bool:
    return module.startswith("cli/")


@pytest.mark.parametrize(
    ("forbidden", "allowed_in"),
    [
        (_reads_environment, lambda module: module in (_SETTINGS, _CLIENT)),
        (_prints, lambda module: False),
        (_uses_streams, lambda module: _in_cli(module) or module in (_HELPER, _EXECS)),
        (_exits, lambda module: _in_cli(module) or module in (_HELPER, _CLIENT, "__main__.py")),
    ],
)
def test_only_the_border_does_this(forbidden: Callable[[str], bool], allowed_in: Callable[[str], bool]) -> None:
    offenders = [
        f"{module}:{line} {name}"
        for module in _modules()
        if not allowed_in(module)
        for name, line in _names(ast.parse(_source(module)))
        if forbidden(name)
    ]
    assert offenders == []


def _handlers(module: str) -> Iterator[tuple[ast.ExceptHandler, set[str]]]:
    for node in ast.walk(ast.parse(_source(module))):
        if isinstance(node, ast.ExceptHandler):
            yield node, {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else set()


def test_nothing_catches_everything_but_the_guard() -> None:
    offenders = [
        f"{module}:{handler.lineno}"
        for module in _modules()
        for handler, names in _handlers(module)
        if handler.type is None or ("Exception" in names and module != _GUARD)
    ]
    assert offenders == []


def test_what_catches_base_exception_raises_again() -> None:
    offenders = [
        f"{module}:{handler.lineno}"
        for module in _modules()
        for handler, names in _handlers(module)
        if "BaseException" in names and not isinstance(handler.body[-1], ast.Raise)
    ]
    assert offenders == []


def test_every_module_can_be_read_at_one_sitting() -> None:
    lengths = {module: _source(module).count("\n") for module in _modules()}
    assert {module: n for module, n in lengths.items() if n > _LONGEST_MODULE} == {}


@pytest.mark.parametrize(
    ("forbidden", "code"),
    [
        (_reads_environment, "import os\nos.environ['X']"),
        (_reads_environment, "from os import getenv"),
        (_prints, "print('x')"),
        (_uses_streams, "import sys\nsys.__stdout__.write('x')"),
        (_uses_streams, "from sys import stderr"),
        (_exits, "raise SystemExit(1)"),
        (_exits, "import sys\nsys.exit()"),
    ],
)
def test_these_checks_see_what_they_look_for(forbidden: Callable[[str], bool], code: str) -> None:
    assert any(forbidden(name) for name, _ in _names(ast.parse(code)))


def test_every_file_is_opened_as_bytes_on_windows_too() -> None:
    # os.open leaves it to its caller there: without O_BINARY, which these have in them, line ends are changed
    with_binary = {"OPEN", "files.OPEN", "_OPEN", "_FLAGS"}
    without = {"store/files.py": ["os.open(path, os.O_RDONLY)"]}  # a folder, and not there
    found: dict[str, list[str]] = {}
    for module in _modules():
        if module.startswith("agent/") or module == "cli/serving.py":  # not on Windows
            continue
        for node in ast.walk(ast.parse(_source(module))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.open":
                used = {ast.unparse(part) for part in ast.walk(node.args[1]) if isinstance(part, ast.Name | ast.Attribute)}
                if not used & with_binary and ast.unparse(node.args[0]) not in ("os.devnull", "'/dev/tty'"):
                    found.setdefault(module, []).append(ast.unparse(node))
    assert found == without

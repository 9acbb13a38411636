"""What every format is: one statement a variable, exact or refused."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from keyvault.core.errors import NotCarried

if TYPE_CHECKING:
    from typing import Protocol

    class Editor(Protocol):
        """Puts statements into a file that has others; `formats.lines` has the one of most formats."""

        def merge(self, form: "Format", existing: str, pairs: Sequence[tuple[str, str]]) -> "Rendered":
            """See `Format.merge`."""


class Refusal(NamedTuple):
    """Why a variable was left out. Never holds the value."""

    variable: str
    reason: str


class Rendered(NamedTuple):
    """`text` holds every pair but the refused ones. `masks` must be printed before anything else may show a value."""

    text: str
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    masks: str = ""


class Format:
    """A syntax for variables and their values. Each statement is one line unless the class says otherwise."""

    is_shell = False  # a shell or an interpreter can evaluate the text as it comes from a pipe
    is_file = True  # makes sense as `-o FILE`
    reserved: frozenset[str] = frozenset()  # names that mean something else to the reader

    def __init__(self, name: str) -> None:
        self.name = name

    def assign(self, variable: str, value: str) -> str:
        """The statement that gives `variable` this very value. Raises NotCarried."""
        if variable in self.reserved:
            raise NotCarried(f"{variable} has a meaning of its own in {self.name}", "choose another --env name")
        if "\0" in value:
            raise NotCarried("no environment can hold a NUL character")
        return self._assign(variable, value)

    def _assign(self, variable: str, value: str) -> str:
        raise NotImplementedError

    def word(self, value: str) -> str:
        """A word, or an expression in parentheses, that is this very value. Not every syntax has one."""
        raise NotImplementedError

    def unset(self, variable: str) -> str:
        """The statement that removes `variable`. Raises NotCarried where the syntax has none."""
        raise NotCarried(f"{self.name} cannot say that {variable} is not set")

    def failure(self, status: int) -> str:
        """A statement that leaves `status`, or any failure, behind; empty where the syntax has none."""
        return ""

    def frame(self, statements: str) -> str:
        """`statements` as a whole text: with what must come before them."""
        return statements

    def render(self, pairs: Sequence[tuple[str, str]]) -> Rendered:
        """All pairs that can be carried, and why the others cannot."""
        return self._collect(pairs, lambda pair: self.assign(*pair))

    def render_unset(self, names: Sequence[str]) -> Rendered:
        """As `render`, for removals."""
        return self._collect(((name, "") for name in names), lambda pair: self.unset(pair[0]))

    def _collect(self, pairs: Iterable[tuple[str, str]], write: Callable[[tuple[str, str]], str]) -> Rendered:
        written: list[str] = []
        refused: list[Refusal] = []
        for pair in pairs:
            try:
                written.append(write(pair))
            except NotCarried as exc:
                refused.append(refusal(pair[0], exc))
        return Rendered(self.frame("".join(written)) if written else "", tuple(refused))

    def merge(self, existing: str, pairs: Sequence[tuple[str, str]]) -> Rendered:
        """`existing` with these variables assigned, every other character as it was.

        Raises InvalidInput, with the line's number, where an assignment is there but cannot be replaced safely.
        """
        return self.editor().merge(self, existing, pairs)

    def editor(self) -> "Editor":
        """How `merge` reads a file of this syntax."""
        raise NotImplementedError


def refusal(variable: str, exc: NotCarried) -> Refusal:
    """What a NotCarried says, hint and all."""
    return Refusal(variable, f"{exc.message}; {exc.hint}" if exc.hint else exc.message)


def refuse(reason: str, hint: str = "") -> NoReturn:
    """Raise NotCarried."""
    raise NotCarried(reason, hint)


def is_plain(character: str) -> bool:
    """A letter, a digit or an underscore of ASCII: what no reader takes for anything but itself."""
    return character.isascii() and (character.isalnum() or character == "_")

r"""sh, bash, zsh, ksh: statements that come through `eval $(keyvault env)`, without quotes, as they were.

The shell splits the text at the characters of IFS and matches the pieces against file names before `eval` sees it.
So a value is written with letters, digits and `_` as themselves and everything else, byte by byte, as an octal escape:
in `$'...'` (bash, zsh, ksh93), or through `printf %b` in sh, which has no such quotes. `$(...)` drops newlines at the
end, hence the `_` there that `${A%_}` takes off again. No character of the text is a pattern in any of these shells.

An IFS that holds a character which the text needs (a digit, the backslash, a letter of `export`) would change it on
the way. The first line notices: the word after `case` is made of all those characters, falls apart too, and what is left
is a syntax error, so nothing is assigned (a script run by dash or ksh ends there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, is_plain

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

# Parameters that a shell computes, keeps as a number or an array, or does not let one change.
_BASH = """_ BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_LINENO BASH_REMATCH BASH_SOURCE
BASH_SUBSHELL BASH_VERSINFO COMP_WORDBREAKS DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD LINENO OPTIND
PIPESTATUS PPID RANDOM SECONDS SRANDOM UID"""
_KSH = "_ COLUMNS HISTCMD JOBMAX KSH_VERSION LINENO LINES MAILCHECK OPTIND PPID RANDOM SECONDS TMOUT"
_ZSH = """_ ARGC ARGV0 COLUMNS EGID ERRNO EUID FUNCNEST GID HISTCHARS HISTCMD HISTSIZE KEYBOARD_HACK KEYTIMEOUT LINENO LINES
LISTMAX LOGCHECK MAILCHECK OPTIND PPID RANDOM SAVEHIST SECONDS TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT TTY TTYIDLE UID USERNAME
WATCH ZLE_RPROMPT_INDENT ZSH_EVAL_CONTEXT ZSH_SUBSHELL aliases argv builtins cdpath commands dirstack dis_aliases
dis_builtins dis_functions dis_functions_source dis_galiases dis_patchars dis_reswords dis_saliases errnos epochtime fignore
fpath funcfiletrace funcsourcetrace funcstack functions functions_source functrace galiases histchars history historywords
jobdirs jobstates jobtexts keymaps langinfo mailpath manpath mapfile module_path modules nameddirs options parameters
patchars path pipestatus psvar reswords saliases signals status sysparams termcap terminfo userdirs usergroups watch widgets
zsh_eval_context zsh_scheduled_events"""
_RESERVED = {"sh": _BASH + " " + _KSH, "bash": _BASH, "zsh": _ZSH, "ksh": _KSH}


class _Escapes(dict[int, str]):
    """How each byte is written; worked out when it is met."""

    def __init__(self, lead: str) -> None:
        self._lead = lead

    def __missing__(self, byte: int) -> str:
        self[byte] = chr(byte) if is_plain(chr(byte)) else f"\\{self._lead}{byte:03o}"
        return self[byte]


class Posix(Format):
    """The family of the Bourne shell."""

    is_shell = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.reserved = frozenset(_RESERVED[name].split())

    def _assign(self, variable: str, value: str) -> str:
        if not value or (value.isascii() and value.replace("_", "a").isalnum()):
            return f"export {variable}={value};\n"
        return self._quoted(variable, self._escaped(value))

    def word(self, value: str) -> str:
        """In `$'...'`, so not for sh."""
        return f"$'{self._escaped(value)}'"

    def _escaped(self, value: str) -> str:
        return value.encode().decode("latin-1").translate(self._escapes)  # byte by byte

    _escapes = _Escapes("")

    def _quoted(self, variable: str, escaped: str) -> str:
        return f"export {variable}=$'{escaped}';\n"

    def unset(self, variable: str) -> str:
        return f"unset {variable};\n"

    def failure(self, status: int) -> str:
        if self.name == "zsh":  # with GLOB_SUBST, an open parenthesis in an unquoted $(...) is a bad pattern
            return f"eval $'\\050exit\\040{status}\\051';\n"
        return f"(exit {status});\n"

    def frame(self, statements: str) -> str:
        return self._canary(statements) + statements

    def _canary(self, statements: str) -> str:
        used = "".join(sorted(c for c in set(statements) if is_plain(c))) + "="
        return f"case {used}\\\\{used}$''{used} in x) :;; esac;\n"

    def editor(self) -> LineEditor:
        return editor()


class Sh(Posix):
    """POSIX sh: no `$'...'` before 2024's edition, and dash still has none."""

    _escapes = _Escapes("0")

    def _quoted(self, variable: str, escaped: str) -> str:
        return f'{variable}="$(printf %b \'{escaped}_\')"; export {variable}="${{{variable}%_}}";\n'

    def _canary(self, statements: str) -> str:
        if "%" not in statements:
            return super()._canary(statements)
        used = "".join(sorted(c for c in set(statements) if is_plain(c))) + "=%"
        return f"case {used}\\\\{used}\"\"{used}''{used}${{0}}{used}$(:){used} in x) :;; esac;\n"


# One word of an existing file: quoted pieces, escapes, parameters and ordinary characters, all on one line.
_WORD = (
    r"(?:'[^']*'|\$'(?:[^'\\]|\\.)*+'"
    r'|"(?:[^"\\$`]|\\.|\$\{\w++\}|\$\w++)*+"'
    r"|\\.|\$\{\w++\}|\$\w++|[^\s'\"\\$`;&|<>()])*+"
)
_EXPORT = r"(?:(?:export|typeset -x|declare -x)[ \t]+)?"


def editor() -> LineEditor:
    """How to read a file of assignments in any shell of the family."""
    from keyvault.formats.lines import LineEditor

    return LineEditor(
        statement=(
            rf"{_EXPORT}(?P<name>[A-Za-z_]\w*)={_WORD}(?:[ \t]*;[ \t]*export[ \t]+(?P=name))?(?:[ \t]*;)?",
            r"""(?P<name>[A-Za-z_]\w*)="\$\(printf %b '[\w\\]*'\)"; export (?P=name)="\$\{(?P=name)%_\}";""",
        ),
        mention=r"(?<![\w$]){name}\+?=|\b(?:unset|read|readonly|local|typeset|declare|printf -v)\b.*(?<![\w$]){name}\b",
        strings={"'": False, '"': True},
        # here-documents; a quote inside a substitution inside a string; \' inside $'...'
        opaque=r"""(?<!<)<<(?!<)|"[^"]*(?:\$\(|`)[^)`]*"|\$'[^']*\\'""",
    )


def load(name: str, _dialect: str) -> Format:
    """The format for one shell of the family."""
    return Sh(name) if name == "sh" else Posix(name)

"""The commands, each in a file of its own that is imported only when it is called."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from keyvault.cli import exits, guard, language, render, terminal
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput
from keyvault.core.text import closest
from keyvault.core.version import __version__

# name -> (module below keyvault.cli.commands, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "Make a new vault."),
    "add": ("add", "Put a key in."),
    "import": ("import_keys", "Take keys in from files and other stores."),
    "discover": ("discover", "Find keys that lie about in plain text."),
    "list": ("list_keys", "List keys."),
    "show": ("show", "All about one key, without its value."),
    "get": ("get", "Print or copy one value."),
    "edit": ("edit", "Change a key or give it a new value."),
    "rename": ("rename", "Give a key another name."),
    "rm": ("rm", "Remove a key; restore-key undoes it."),
    "restore-key": ("restore_key", "Bring a removed key back."),
    "purge": ("purge", "Erase a removed key, or earlier values, for good."),
    "history": ("history", "The values a key has had."),
    "rollback": ("rollback", "Make an earlier value current again."),
    "env": ("env", "Print keys as variables for a shell or a file."),
    "run": ("run", "Run a program with keys in its environment."),
    "check": ("check", "Ask the vendors whether keys still work."),
    "balance": ("balance", "Ask the vendors what is left."),
    "rotate": ("rotate", "Replace keys, at their vendors and in files."),
    "audit": ("audit", "Find keys that are stale, and keys that lie about in clear."),
    "providers": ("providers", "The vendors that keyvault knows."),
    "identify": ("identify", "Say whose key a value is."),
    "snippet": ("snippet", "How to use a key from a program."),
    "which": ("which", "Which key a variable gets here, and why."),
    "project": ("project", "A project's own list of keys, by name."),
    "allow": ("allow", "Let a project choose among your keys."),
    "deny": ("deny", "Ignore a project."),
    "hook": ("hook", "Load a project's keys on entering its folder."),
    "shell": ("shell", "Set keyvault up in a shell's start-up file."),
    "unlock": ("unlock", "Unlock once: an agent keeps the vault open for hours."),
    "lock": ("lock", "End the agent, and with it what it knows."),
    "status": ("status", "Whether an agent keeps the vault open, and for how long."),
    "agent": ("agent", "Be the agent, for a service manager."),
    "slots": ("slots", "The ways to unlock the vault."),
    "passwd": ("passwd", "Change the passphrase."),
    "rekey": ("rekey", "Seal everything anew under a new vault key."),
    "backup": ("backup", "Write a verified copy of the vault."),
    "restore": ("restore", "Put a backup in place, or accept the vault as it is."),
    "verify": ("verify", "Check everything in the vault."),
    "log": ("log", "What was changed, and when."),
    "doctor": ("doctor", "What is set up here, and what is wrong with it."),
    "completion": ("completion", "Print a completion script for a shell."),
}


class App(click.Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command. The options that all of them take are in `common`."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = import_module(f"keyvault.cli.commands.{module}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown word gets a suggestion instead of an echo."""
        if args and args[0] not in COMMANDS:
            near = closest(args[0], list(COMMANDS))
            raise InvalidInput("no such command", f"did you mean keyvault {near}?" if near else "keyvault --help lists them")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table again, so that help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _set(name: str) -> Any:
    def callback(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            setattr(ctx.ensure_object(Session), name, True)

    return callback


def _ending(names: tuple[str, ...], text: Callable[[click.Context], str], help_text: str) -> Callable[[Any], Any]:
    """An option that prints something and ends. click's own ones know no closed or full output."""

    def callback(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            render.out(text(ctx) + "\n")
            ctx.exit()

    return click.option(*names, is_flag=True, is_eager=True, expose_value=False, callback=callback, help=help_text)


def _help(ctx: click.Context) -> str:
    if language.wanted() == language.ENGLISH:
        return ctx.get_help()
    from keyvault.cli import help_text

    return help_text.of(ctx)


def common(command: Any) -> Any:
    """The options that every command has."""
    command = _ending(("-h", "--help"), _help, "Show this message and exit.")(command)
    for name, text in (("--debug", "Say where an error came from."), ("--no-input", "Never ask; fail instead.")):
        attribute = name[2:].replace("-", "_")
        command = click.option(name, is_flag=True, expose_value=False, callback=_set(attribute), help=text)(command)
    return command


@click.group(cls=App, context_settings={"max_content_width": 100})
@_ending(("--version",), lambda _: f"keyvault {__version__}", "Show the version and exit.")
@common
def app() -> None:
    """An encrypted vault for API keys that puts the right ones into your shell, .env file or program."""


def run(words: list[str], session: Session) -> int:
    """Run one command line; the exit code."""
    session.debug = "--debug" in (words[: words.index("--")] if "--" in words else words)
    failure_code = exits.RUN_FAILED if next((w for w in words if not w.startswith("-")), "") == "run" else None
    if next((w for w in words if not w.startswith("-")), "") == "env":
        session.on_failure = lambda code: _tell_shell(words, code)  # until exporting.run knows better
    return guard.guarded(lambda: _run(words, session), session, failure_code=failure_code)


def _tell_shell(words: list[str], code: int) -> None:
    from keyvault.cli.exporting import tell_shell

    following = zip(words, [*words[1:], "auto"], strict=True)
    tell_shell(next((w.partition("=")[2] or v for w, v in following if w.startswith("--format")), "auto"), code)


def _run(words: list[str], session: Session) -> int:
    _refuse_keys(words)
    if not words and not os.path.lexists(session.settings.vault_path):
        from keyvault.cli import first_steps

        render.out(first_steps.text())
        return exits.DONE
    try:
        result = app.main(words or ["--help"], prog_name="keyvault", standalone_mode=False, obj=session)
    except click.UsageError as exc:
        raise InvalidInput(_without_words(exc.format_message(), words), _where_help_is(exc)) from exc
    except (click.Abort, EOFError) as exc:
        raise terminal.Interrupted from exc
    return result if isinstance(result, int) else exits.DONE


def _refuse_keys(words: list[str]) -> None:
    """A key on the command line is in the shell's history and in the process list: refuse it, and say so."""
    own = words[: words.index("--")] if "--" in words else words
    if any(guard.looks_like_key(part) for word in own for part in (word, *re.split(r"[\s=:,;'\"()]+", word))):
        raise InvalidInput(
            "an argument looks like an API key; keys are never given as arguments",
            "it is now in your shell's history and was visible to other programs: replace that key at its vendor",
        )


def _without_words(message: str, words: list[str]) -> str:
    """click repeats what was typed; long words are left out, for they may be a key of a shape we do not know."""
    parts: set[str] = set()
    for word in words:
        name, _, value = word.partition("=")
        parts |= {value} if _OPTION.match(name) else {word, word[2:], value}
    for part in sorted((p for p in parts if len(p) >= 16), key=len, reverse=True):
        for shown in (part, repr(part)[1:-1]):
            message = message.replace(shown, "…")
    message = " ".join(message.split())
    return message[:1].lower() + message[1:].rstrip(".")


_OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*\Z")


def _where_help_is(exc: click.UsageError) -> str:
    return f"{exc.ctx.command_path} --help" if exc.ctx else "keyvault --help"

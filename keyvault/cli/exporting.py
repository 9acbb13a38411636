"""`env`, without click: this is what shells run when they start."""

from typing import NamedTuple

from keyvault.cli import render, streams, terminal
from keyvault.cli.exits import DONE, FAILED, NOT_FOUND
from keyvault.cli.session import Session
from keyvault.core import clock, settings
from keyvault.core.errors import InvalidInput, KeyvaultError, NotFound
from keyvault.core.text import counted, mask
from keyvault.environment.resolve import Resolved, variables_of
from keyvault.environment.selection import DEFAULT, select
from keyvault.formats import load
from keyvault.formats.base import Format, Rendered
from keyvault.vault.usage import EXPORTED, USED
from keyvault.vault.vault import Vault


class Request(NamedTuple):
    """What `env` was asked for."""

    refs: tuple[str, ...] = ()
    format: str = "auto"
    dialect: str = "portable"
    output: str = ""
    unset: bool = False
    reveal: bool = False
    profile: str | None = None


def run(session: Session, request: Request) -> int:
    """Print the variables; the exit code. A failure is also told to the shell that evaluates the output."""
    session.on_failure = None if request.output else lambda code: tell_shell(request.format, code)
    if request.output:
        streams.only_here()
    form = load_format(request.format, request.dialect)
    if request.unset and request.output:
        raise InvalidInput("--unset prints statements and changes no file", "leave out --unset or -o")
    return _run(session, request, form, piped=not terminal.is_terminal(1))


def load_format(name: str, dialect: str = "portable") -> Format:
    """The format asked for, or that of the calling shell. Raises InvalidInput."""
    if name == "auto":
        from keyvault.environment.shell import detect_shell

        client = streams.caller()
        if client and not client.pid:
            streams.not_served()  # its processes cannot be seen from here
        name = detect_shell(client.pid if client else None)
    return load(name, dialect)


def tell_shell(format_name: str, code: int) -> None:
    """A shell that evaluates the output fails too: `eval "$(false)"` alone would be a success in every shell."""
    if terminal.is_terminal(1):
        return
    try:
        form = load_format(format_name)
    except InvalidInput:
        form = load_format("auto")
    try:
        render.out(form.failure(code) if form.is_shell else "")
    except (KeyvaultError, BrokenPipeError):
        return  # nobody reads


def _run(session: Session, request: Request, form: Format, *, piped: bool) -> int:
    vault = session.open()
    selection = select(session.settings, request.refs, request.profile)
    if request.unset:
        rendered = form.render_unset(variables_of(vault, selection))
        return _print(rendered, form)
    resolved = session.resolve(vault, selection)
    for warning in (*resolved.warnings, *resolved.missing):
        terminal.warn(warning)
    session.remind(vault, resolved.keys)
    if request.output and resolved.missing:
        raise NotFound("the project needs keys that are not there, so nothing was written", "keyvault project check lists them")
    if request.output:
        _write_file(vault, request, form, resolved)
        code = 0
    elif piped or request.reveal:
        code = _print(session.render(form, resolved), form, incomplete=bool(resolved.missing))
    else:
        _show_masked(resolved, form)
        return 0
    session.usage(vault).note((key.id for key in resolved.keys), USED if selection.source != DEFAULT else EXPORTED, clock.now())
    return code


def _print(rendered: Rendered, form: Format, *, incomplete: bool = False) -> int:
    """Print what can be carried, and say why the rest cannot; `incomplete`: a key that a project requires is not there."""
    code = FAILED if rendered.refused else NOT_FOUND if incomplete else DONE
    for refusal in rendered.refused:
        terminal.warn(f"{refusal.variable} is left out: {refusal.reason}")
    for note in rendered.notes:
        terminal.warn(note)
    failed = form.failure(code) if code and form.is_shell else ""
    runner_file = settings.variable("GITHUB_ENV") if rendered.masks else None
    if runner_file:
        streams.only_here()
    render.out(rendered.masks + ("" if runner_file else rendered.text) + failed)
    if runner_file:  # the runner reads variables from there, and from nowhere else
        from keyvault.environment import export_file

        export_file.append(runner_file, rendered.text)
    return code


def _register(vault: Vault, path: str, form: Format, resolved: Resolved) -> None:
    """Note with each key that the file holds it, for `rotate`; one commit, and none where nothing is new."""
    from keyvault.vault import changes

    path = settings.absolute(path)
    holding = [(key, set(vault.values(key).values())) for key in resolved.keys]
    pairs = [(key, name) for name, value in resolved.variables for key, values in holding if value in values]
    new = [(key, name) for key, name in pairs if (form.name, path, name) not in key.places]
    if not new:
        return
    try:
        with vault.transaction("place") as tx:
            for key, name in new:
                changes.register_place(tx, key.ref, form.name, path, name)
    except KeyvaultError as exc:  # a vault that cannot be written to must not keep anybody from their file
        terminal.warn(f"rotate will not know of {path}: {exc.message}")


def _write_file(vault: Vault, request: Request, form: Format, resolved: Resolved) -> None:
    from keyvault.environment import export_file

    rendered = export_file.merge(request.output, form, resolved.variables)
    for note in rendered.notes:
        terminal.warn(note)
    if request.reveal or not terminal.is_terminal(1):  # they hold the values; a runner reads them from a pipe
        render.out(rendered.masks)
    export_file.write(request.output, rendered.text)
    _register(vault, request.output, form, resolved)
    if warning := export_file.git_warning(request.output):
        terminal.warn(warning)
    terminal.tip(f"wrote {counted(len(resolved.variables), 'variable')} to {request.output}")


def _show_masked(resolved: Resolved, form: Format) -> None:
    """On a terminal nothing is evaluated, so nothing needs to be shown."""
    if form.name == "json":
        render.json_out({name: mask(value) for name, value in resolved.variables})
    elif resolved.variables:
        render.pairs([(name, mask(value)) for name, value in resolved.variables], ours=False)
    else:
        terminal.tip("no keys to export; keyvault list shows what there is")
        return
    call = "keyvault env -o FILE"
    if form.is_shell:
        from keyvault.environment.shell import loading

        call = loading(form.name)
    terminal.tip(f"values are masked; to set them: {call}")

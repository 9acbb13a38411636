"""What the environment says. The only reader of `os.environ`."""

import os
import sys
from typing import NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.core.secret import Secret

# Variables that carry a way to unlock. They never reach a child of `run`.
UNLOCKING = ("KEYVAULT_PASSPHRASE", "KEYVAULT_PASSPHRASE_FILE", "KEYVAULT_PASSPHRASE_FD", "KEYVAULT_KEY_FILE")


class Settings(NamedTuple):
    """Folders are absolute paths. `state_beside_vault`: the anchor lies below the vault's folder, so one copy takes both."""

    home: str
    state: str
    state_beside_vault: bool
    passphrase: Secret | None
    passphrase_file: str
    passphrase_fd: int | None
    key_file: str
    profile: str

    @property
    def vault_path(self) -> str:
        """The vault's database file."""
        return os.path.join(self.home, "vault.db")


def load() -> Settings:
    """Read the settings of this process. Raises InvalidInput."""
    env = os.environ
    home = env.get("KEYVAULT_HOME", "")
    state = env.get("KEYVAULT_STATE", "")
    fd = env.get("KEYVAULT_PASSPHRASE_FD", "")
    if fd and not (fd.isascii() and fd.isdigit() and len(fd) < 10):
        raise InvalidInput(
            "KEYVAULT_PASSPHRASE_FD is not a file descriptor's number", "give the number of an open file descriptor"
        )
    passphrase = env.get("KEYVAULT_PASSPHRASE", "")
    resolved_state = state or (os.path.join(home, "state") if home else _default_folder("state"))
    resolved_home = home or _default_folder("data")
    return Settings(
        home=absolute(resolved_home),
        state=absolute(resolved_state),
        state_beside_vault=absolute(resolved_state).startswith(absolute(resolved_home) + os.sep),
        passphrase=Secret(passphrase) if passphrase else None,
        passphrase_file=env.get("KEYVAULT_PASSPHRASE_FILE", ""),
        passphrase_fd=int(fd) if fd else None,
        key_file=env.get("KEYVAULT_KEY_FILE", ""),
        profile=env.get("KEYVAULT_PROFILE", ""),
    )


# The XDG base directories, and what stands for two of them on a Mac. Apple names no place for what `state` means.
_APPLICATIONS = "Library/Application Support"
_FOLDERS = {
    "data": ("XDG_DATA_HOME", ".local/share", _APPLICATIONS),
    "state": ("XDG_STATE_HOME", ".local/state", ".local/state"),
    "config": ("XDG_CONFIG_HOME", ".config", _APPLICATIONS),
}


def _default_folder(kind: str) -> str:
    if sys.platform == "win32":
        return _on_windows(kind)
    variable, *usual = _FOLDERS[kind]
    base = os.environ.get(variable, "").strip() or os.path.join(os.path.expanduser("~"), usual[sys.platform == "darwin"])
    return os.path.join(base, "keyvault")


def _on_windows(kind: str) -> str:
    """Below %LOCALAPPDATA% or, for settings, %APPDATA%, which follows a person to other machines. The system is asked.

    What this machine knows of the vault has a folder of its own: a copy of the vault's must not have it too.
    """
    import platformdirs

    if kind == "config":
        return platformdirs.user_config_dir("keyvault", appauthor=False, roaming=True)
    return platformdirs.user_data_dir("keyvault" if kind == "data" else "keyvault-state", appauthor=False)


def config_folder() -> str:
    """Where a person's own settings and vendor files lie. `KEYVAULT_HOME` does not move it: it belongs to the person."""
    return absolute(_default_folder("config"))


def cache_folder(settings: Settings) -> str:
    """Where what can be made anew is kept: not beside the vault, where who can change a synced vault could change it too."""
    return absolute(_default_folder("state")) if settings.state_beside_vault else settings.state


def absolute(path: str) -> str:
    """`path` from the root on. Raises InvalidInput for a relative one in a folder that is gone."""
    try:
        return os.path.abspath(path)
    except OSError as exc:
        raise InvalidInput("the current folder does not exist any more", "cd to another one, and run this again") from exc


def variable(name: str) -> str | None:
    """The value of an environment variable, for `--from-env` and for telling what a shell already has."""
    return os.environ.get(name)


def set_variables(added: dict[str, str], *, override: bool) -> list[str]:
    """Put variables into this process's environment; the names of those that were set."""
    chosen = {name: value for name, value in added.items() if override or name not in os.environ}
    os.environ.update(chosen)
    return list(chosen)


def environment_bytes() -> dict[bytes, bytes]:
    """This process's environment as the system has it."""
    return {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}


def take_environment(environment: dict[str, str]) -> None:
    """Make this the environment of this process, for the agent, which stands in for its clients. Raises InvalidInput."""
    try:
        os.environ.clear()
        os.environ.update(environment)
    except (OSError, ValueError) as exc:
        raise InvalidInput("this environment cannot be taken over") from exc


def child_environment(added: dict[str, str]) -> dict[str, str]:
    """The environment of a child: this process's, less the ways to unlock, plus `added`."""
    kept = {name: value for name, value in os.environ.items() if name not in UNLOCKING}
    kept.update(added)
    return kept


# What the keyring's helper process needs to start and to find the login session. No PYTHON*, no LD_*, and no keys.
_HELPER_NAMES = (
    *("HOME", "USER", "LOGNAME", "PATH", "LANG", "LANGUAGE", "KEYVAULT_LANG", "TMPDIR"),
    *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
    *("SYSTEMROOT", "USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP"),
)


def unlocking_given() -> bool:
    """This environment itself says how to unlock."""
    return any(os.environ.get(name) for name in UNLOCKING)


def helper_environment() -> dict[str, str]:
    """The environment of the keyring's helper and of the agent: the session's variables, and nothing of the user's own."""
    return {name: value for name, value in os.environ.items() if name in _HELPER_NAMES or name.startswith(("XDG_", "LC_"))}

"""Hear from the desktop that the screen is locked, or that the machine is about to sleep. Linux; only where it is set.

Signals are believed whoever sends them: all that they can do is to lock.
"""

from __future__ import annotations

import socket
import struct

from jeepney import DBusAddress, MatchRule, Message, MessageType, message_bus, new_method_call  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, open_dbus_connection  # type: ignore[import-untyped]

from keyvault.core import settings
from keyvault.core.errors import Unreachable

_SAVERS = ("org.freedesktop", "org.gnome", "org.cinnamon", "org.mate")  # each with its ScreenSaver
_MANAGER = DBusAddress("/org/freedesktop/login1", "org.freedesktop.login1", "org.freedesktop.login1.Manager")
_NO_MESSAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, struct.error)  # of jeepney
_PATIENCE = 1.0  # seconds; both buses are local


class ScreenLock:
    """Connections to the session's bus and, for `loginctl lock-session` and sleep, to logind on the system's, if it answers."""

    def __init__(self) -> None:
        """Raises Unreachable where there is no session bus: an agent that cannot hear the screen lock must not begin."""
        savers = [MatchRule(type="signal", interface=f"{name}.ScreenSaver", member="ActiveChanged") for name in _SAVERS]
        try:
            self._buses = [_listening("SESSION", savers)]
        except (OSError, KeyError, ValueError, RuntimeError) as exc:
            raise Unreachable(
                "the desktop's message bus does not answer, so the screen lock would not be heard",
                "set lock_on_screen_lock = false in config.toml, or DBUS_SESSION_BUS_ADDRESS",
            ) from exc
        self._session = ""
        try:
            system = _listening("SYSTEM", [MatchRule(type="signal", sender=_MANAGER.bus_name)])
            self._session = _own_session(system)
            self._buses.append(system)
        except (OSError, ValueError, RuntimeError):
            return  # no logind: the screen saver's own signal is what counts

    @property
    def sockets(self) -> list[socket.socket]:
        """What to wait on."""
        return [bus.sock for bus in self._buses]

    def heard(self) -> str:
        """Read what has come; why to lock, or an empty string."""
        for bus in self._buses:
            try:
                while True:
                    if why := self._meaning(bus.receive(timeout=0)):
                        return why
            except TimeoutError:
                continue
            except OSError:
                return "the desktop's message bus is gone"
            except _NO_MESSAGE:
                return "the desktop's message bus is not understood"
        return ""

    def _meaning(self, message: Message) -> str:
        fields = {code.name: value for code, value in message.header.fields.items()}
        member, body = fields.get("member"), message.body
        if member in ("ActiveChanged", "PrepareForSleep") and body == (True,):
            return "the screen was locked" if member == "ActiveChanged" else "the machine goes to sleep"
        return "the session was locked" if member == "Lock" and self._session and fields.get("path") == self._session else ""


def _listening(bus: str, rules: list[MatchRule]) -> DBusConnection:
    connection = open_dbus_connection(bus, auth_timeout=_PATIENCE)
    for rule in rules:
        _ask(connection, message_bus.AddMatch(rule))
    return connection


def _own_session(system: DBusConnection) -> str:
    """The path of the login session that this process was started in, or an empty string."""
    name = settings.variable("XDG_SESSION_ID")
    return str(_ask(system, new_method_call(_MANAGER, "GetSession", "s", (name,)))[0]) if name else ""


def _ask(connection: DBusConnection, message: Message) -> tuple[object, ...]:
    reply = connection.send_and_get_reply(message, timeout=_PATIENCE)
    if reply.header.message_type is MessageType.error:
        raise ValueError
    return tuple(reply.body)

"""Settings of MCP clients: the variables and headers of each server (Claude Desktop and Code, Cursor, VS Code, Windsurf)."""

from __future__ import annotations

import re

from keyvault.discover.found import Reading
from keyvault.discover.json_places import Text
from keyvault.discover.judging import is_key
from keyvault.discover.sources.base import slug
from keyvault.discover.sources.hosts import vendor_called
from keyvault.discover.sources.json_map import JsonSource, variable_of

_SERVERS = ("mcpServers", "servers", "mcp", "context_servers")
_REFERENCE = re.compile(r".*\$\{|.*\$[A-Z_]+\Z|\{\{", re.DOTALL)


class Mcp(JsonSource):
    """A client's JSON with mcpServers (VS Code: servers)."""

    kind = "mcp"
    what = "settings of MCP clients"

    def fits(self, name: str, path: str, text: str) -> bool:
        if name == "mcp.json" or name in ("claude_desktop_config.json", ".claude.json", "mcp_config.json"):
            return True
        return name.endswith(".json") and '"mcpServers"' in text

    def take(self, reading: Reading, text: Text, line: int) -> None:
        path = text.path
        if len(path) >= 4 and path[-4] in _SERVERS and path[-2] in ("env", "headers"):
            self._take_of_server(reading, text, line)
        elif not set(path) & set(_SERVERS):
            variable = variable_of(text.name, text.value)
            if variable:
                reading.add(variable, text.value, line, cut=(text.start, text.end))
        elif path[-2:-1] == ("args",) and is_key("", text.value):
            reading.skip(line, "has a key among the arguments of a server, and was skipped; give it in env instead")

    def _take_of_server(self, reading: Reading, text: Text, line: int) -> None:
        server, place, name = text.path[-3:]
        cut = (text.start, text.end)
        if _REFERENCE.match(text.value):
            return
        if place == "env":
            if is_key(name, text.value):
                reading.add(name, text.value, line, cut=cut)
            return
        token = re.match(r"(?:Bearer|token|Basic)[ ]+(?P<token>\S+)\Z", text.value, re.IGNORECASE)
        value = token["token"] if token else text.value
        known = name.lower() in ("authorization", "x-api-key", "api-key", "x-goog-api-key", "private-token")
        if not known and not is_key(name.upper().replace("-", "_"), value):
            return
        if text.value.lower().startswith("basic "):
            reading.skip(line, "holds a user name and password, not a token, and was skipped")
            return
        provider = vendor_called(re.sub(r"(?:^mcp[-_]|[-_]mcp$|[-_]server$)", "", server.lower()))
        variable = "" if provider else f"{slug(server).upper().replace('-', '_').replace('.', '_')}_TOKEN"
        reading.add(variable, value, line, provider=provider, label="" if provider else server, cut=cut)

"""Files in which one program keeps its keys: aws, npm, twine, curl's .netrc, Hugging Face, llm."""

from __future__ import annotations

import re

from keyvault.discover.found import Reading
from keyvault.discover.json_places import Text
from keyvault.discover.sources.base import Source, line_of
from keyvault.discover.sources.hosts import vendor_called, vendor_of_host
from keyvault.discover.sources.ini import is_reference, settings_in
from keyvault.discover.sources.json_map import JsonSource
from keyvault.discover.text_file import TextFile
from keyvault.providers import catalogue

_AWS = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "region": "AWS_REGION",
}


class Aws(Source):
    """~/.aws/credentials and ~/.aws/config: a key for each profile (AWS CLI User Guide)."""

    kind = "aws"
    what = "aws credentials and config"

    def fits(self, name: str, path: str, text: str) -> bool:
        has_key = re.search(r"^[ \t]*aws_access_key_id[ \t]*=", text, re.MULTILINE) is not None
        return path.endswith((".aws/credentials", ".aws/config")) or (has_key and name in ("credentials", "config"))

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        settings = list(settings_in(file.text))
        with_key = {one.section for one in settings if one.name.lower() in ("aws_access_key_id", "aws_secret_access_key")}
        for one in settings:
            variable = _AWS.get(one.name.lower())
            if variable is None or one.section not in with_key or not one.value:
                continue
            profile = one.section.removeprefix("profile ").strip()
            label = "" if profile == "default" else profile
            # The region is a setting, not a secret: it is taken along, and stays.
            cut = None if variable == "AWS_REGION" else one.cut
            reading.add(variable, one.value, one.line, provider="aws", label=label, group=profile, cut=cut)
        return reading


class Npmrc(Source):
    """.npmrc: `//HOST/:_authToken=...` (npm docs, "npmrc")."""

    kind = "npmrc"
    what = ".npmrc files"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name in (".npmrc", "npmrc")

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        for one in settings_in(file.text):
            match = re.fullmatch(r"(?://(?P<host>[^/]+)(?:/.*)?:)?_(?:authToken|auth|password)", one.name)
            value = one.value.strip("\"'")
            if not match or not value:
                continue
            if is_reference(value):
                reading.skip(one.line, "refers to other variables, and was skipped")
                continue
            host = match["host"] or "registry.npmjs.org"
            provider, label = vendor_of_host(host)
            variable = "NPM_TOKEN" if provider in ("", "npm") else ""
            if one.name.endswith("_authToken"):
                reading.add(variable, value, one.line, provider=provider, label=label, cut=one.cut)
            else:
                reading.skip(one.line, "holds a user name and password, not a token, and was skipped")
        return reading


class Pypirc(Source):
    """.pypirc: the passwords of its repositories (PyPA, "The .pypirc file")."""

    kind = "pypirc"
    what = ".pypirc files"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name in (".pypirc", "pypirc")

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        settings = list(settings_in(file.text))
        addresses = {one.section: one.value for one in settings if one.name == "repository"}
        for one in settings:
            if one.name != "password" or not one.value:
                continue
            known = {"pypi": "upload.pypi.org", "testpypi": "test.pypi.org"}.get(one.section, "")
            address = addresses.get(one.section, "")
            host = re.sub(r"\Ahttps?://(?:[^@/]*@)?([^/:]*).*\Z", r"\1", address, flags=re.DOTALL) if address else known
            provider, label = vendor_of_host(host or one.section)
            reading.add("TWINE_PASSWORD", one.value, one.line, provider=provider, label=label, cut=one.cut)
        return reading


class Netrc(Source):
    """.netrc: the passwords of machines (GNU inetutils manual, "The .netrc file"), on one line or several."""

    kind = "netrc"
    what = ".netrc files"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name in (".netrc", "_netrc", "netrc")

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        host, start, found, macro = "", 0, None, False
        tokens = [*re.finditer(r'"(?:[^"\\]|\\.)*"|\S+|\n\n', file.text), None]
        at = 0
        while at < len(tokens):
            token = tokens[at]
            word = token[0] if token else "machine"
            at += 1
            if macro:
                macro = word != "\n\n" and token is not None
                continue
            if token and word.startswith("#"):
                line_end = file.text.find("\n", token.start())
                while at < len(tokens) - 1 and line_end >= 0 and _start(tokens[at]) < line_end:
                    at += 1
                continue
            following = tokens[at] if at < len(tokens) else None
            if word in ("machine", "default", "macdef"):
                if found:
                    self._add(reading, file.text, host, found, start)
                host, found, start = "", None, token.start() if token else 0
                macro = word == "macdef"
                if word == "machine" and following:
                    host, at = following[0], at + 1
            elif word in ("login", "account", "password") and following:
                found, at = (following if word == "password" else found), at + 1
        return reading

    def _add(self, reading: Reading, text: str, host: str, found: re.Match[str], start: int) -> None:
        value = found[0]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        provider, label = vendor_of_host(host)
        line = line_of(text, found.start())
        if not provider:
            reading.skip(line, "holds the password of a machine that no vendor is known for, and was skipped")
            return
        before = re.search(r"password[ \t\r\n]+\Z", text[start : found.start()])
        cut = (start + before.start(), found.end()) if before else None
        reading.add("", value, line, provider=provider, label=label, cut=cut)


def _start(token: re.Match[str] | None) -> int:
    return token.start() if token else 0


class HuggingFace(Source):
    """~/.cache/huggingface/token, which is the token and nothing else, and stored_tokens (huggingface_hub, utils/_auth.py)."""

    kind = "huggingface"
    what = "Hugging Face's token files"

    def fits(self, name: str, path: str, text: str) -> bool:
        whole = re.fullmatch(r"\s*hf_[A-Za-z0-9]{20,}\s*", text) is not None
        return path.endswith(("huggingface/token", "huggingface/stored_tokens")) or name == "stored_tokens" or whole

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        settings = [one for one in settings_in(file.text) if one.name == "hf_token"]
        for one in settings:
            reading.add("", one.value, one.line, provider="huggingface", label=one.section, cut=one.cut)
        token = file.text.strip()
        if not settings and token and not token.startswith("["):
            start = file.text.index(token)
            if re.search(r"\s", token):
                reading.skip(1, "is not one token, and was skipped")
            else:
                cut = (start, start + len(token))
                reading.add("", token, line_of(file.text, start), provider="huggingface", cut=cut)
        return reading


class Llm(JsonSource):
    """keys.json of the program `llm`: its own names for vendors, and the keys."""

    kind = "llm"
    what = "keys.json of llm"

    def fits(self, name: str, path: str, text: str) -> bool:
        return path.endswith("io.datasette.llm/keys.json") or (name == "keys.json" and '"// Note"' in text)

    def take(self, reading: Reading, text: Text, line: int) -> None:
        if len(text.path) != 1 or text.name.startswith("//"):
            return
        provider = vendor_called(text.name)
        known = catalogue.load(provider) if provider else None
        label = "" if known else text.name
        variable = (
            known.variables[0] if known else re.sub(r"\W+", "_", text.name, flags=re.ASCII).strip("_").upper() + "_API_KEY"
        )
        reading.add(variable, text.value, line, provider=provider, label=label, cut=(text.start, text.end))

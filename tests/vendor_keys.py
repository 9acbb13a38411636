"""Vendors who make and revoke keys, on the loopback internet: keys with states, quotas, delays, and every way to fail.

Each is written from the vendor's documentation, not from keyvault's catalogue.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from internet import Asked, Internet, Reply, as_json

BEFORE, AFTER, REFUSE, LIE, LATE = "before", "after", "refuse", "lie", "late"


@dataclass
class Key:
    """One key at the vendor. `dies`: when a revoked one really stops working."""

    id: str
    value: str
    name: str
    alive: bool = True
    dies: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    secret: str = ""

    @property
    def works(self) -> bool:
        return self.alive or time.time() < self.dies


class Vendor:
    """The common part: faults, and the rule that a key which does not work is refused.

    `faults`: what happens at the n-th request that changes something (from 1). `slow_start`: checks that a new key fails.
    """

    host = ""
    changing = ("POST", "PUT", "DELETE", "PATCH")

    def __init__(self, net: Internet, admin: str = "", *, quota: int = 100) -> None:
        self.keys: dict[str, Key] = {}
        self.admin = admin
        self.quota = quota
        self.faults: dict[int, str] = {}
        self.changes = 0
        self.slow_start = 0
        self.dying = 0.0
        self.least_alive = 10**6
        self.late = 1.0
        net.raw[self.host] = self.serve

    def add(self, value: str, name: str = "made by hand", **facts: Any) -> Key:
        key = Key(secrets.token_hex(8), value, name, facts=facts)
        self.keys[key.id] = key
        return key

    @property
    def alive(self) -> list[Key]:
        return [key for key in self.keys.values() if key.alive]

    def by_value(self, value: str) -> Key | None:
        return next((key for key in self.keys.values() if key.value == value and key.works), None)

    def kill(self, key: Key) -> None:
        key.alive, key.dies = False, time.time() + self.dying
        self.least_alive = min(self.least_alive, len(self.alive))

    async def serve(self, asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        changes = asked.method in self.changing and self.counts(asked)
        self.changes += changes
        fault = self.faults.get(self.changes, "") if changes else ""
        if fault == BEFORE:
            return
        reply = as_json(403, {"error": "no"}) if fault == REFUSE else self.answer(asked)
        if fault == LATE:
            await asyncio.sleep(self.late)
        if fault == AFTER:
            return
        if fault == LIE:
            reply = as_json(200, {"ok": True})
        data = reply.body.encode() if isinstance(reply.body, str) else reply.body
        head = {"Content-Type": "application/json", "Content-Length": str(len(data))} | reply.headers
        lines = "".join(f"{name}: {text}\r\n" for name, text in head.items())
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode() + data)
        await writer.drain()

    def counts(self, asked: Asked) -> bool:
        return True

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError


def bearer(asked: Asked) -> str:
    return asked.headers.get("authorization", "").removeprefix("Bearer ")


def masked(value: str, head: int, tail: int) -> str:
    return f"{value[:head]}...{value[-tail:]}"


class OpenRouter(Vendor):
    """https://openrouter.ai/docs/api/api-reference/api-keys"""

    host = "openrouter.ai"

    def new_value(self) -> str:
        return "sk-or-v1-" + secrets.token_hex(32)

    def answer(self, asked: Asked) -> Reply:
        path, query = urlsplit(asked.path).path, parse_qs(urlsplit(asked.path).query)
        if path == "/api/v1/key":
            key = self.by_value(bearer(asked))
            if key and not key.facts.get("disabled"):
                if self.slow_start and key.name.startswith("keyvault-"):
                    self.slow_start -= 1
                    return as_json(401, {"error": {"message": "User not found."}})
                return as_json(200, {"data": {"label": masked(key.value, 12, 4), "limit_remaining": None, "usage": 0}})
            return as_json(401, {"error": {"message": "User not found.", "code": 401}})
        if bearer(asked) != self.admin:
            status = 403 if self.by_value(bearer(asked)) else 401
            return as_json(status, {"error": {"message": "Only management keys can perform this operation"}})
        if path == "/api/v1/keys" and asked.method == "POST":
            return self._create(json.loads(asked.body))
        if path == "/api/v1/keys":
            start = int(query.get("offset", ["0"])[0])
            return as_json(200, {"data": [self._entry(key) for key in self.alive[start : start + 2]]})
        key = self.keys.get(path.rpartition("/")[2])
        if key is None or not key.alive:
            return as_json(404, {"error": {"message": "API key not found"}})
        if asked.method == "DELETE":
            self.kill(key)
            return as_json(200, {"deleted": True})
        return as_json(405, {})

    def _create(self, body: dict[str, Any]) -> Reply:
        if len(self.alive) >= self.quota:
            return as_json(403, {"error": {"message": "Key limit exceeded"}})
        key = self.add(self.new_value(), body.pop("name"), **body)
        return as_json(201, {"data": self._entry(key), "key": key.value})

    def _entry(self, key: Key) -> dict[str, Any]:
        facts = {"limit": None, "limit_reset": None, "include_byok_in_limit": False} | key.facts
        return {"hash": key.id, "name": key.name, "label": masked(key.value, 12, 4), "disabled": False, **facts}


class OpenAi(Vendor):
    """Projects' service accounts, and the list of project keys: platform.openai.com/docs/api-reference."""

    host = "api.openai.com"

    def answer(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path).path
        if path == "/v1/models":
            if self.by_value(bearer(asked)):
                return as_json(200, {"object": "list", "data": []})
            return as_json(401, {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}})
        if bearer(asked) != self.admin:
            return as_json(401, {"error": {"code": "invalid_api_key"}})
        accounts, keys = "/v1/organization/projects/proj_1/service_accounts", "/v1/organization/projects/proj_1/api_keys"
        after = parse_qs(urlsplit(asked.path).query).get("after", [""])[0]
        if path == accounts and asked.method == "POST":
            name = json.loads(asked.body)["name"]
            key = self.add("sk-svcacct-" + secrets.token_hex(37) + "T3BlbkFJ" + secrets.token_hex(37), name, account=True)
            self.keys[f"svc_{key.id}"] = self.keys.pop(key.id)
            key.id = f"svc_{key.id}"
            secret = {"id": f"key_{key.id}", "object": "organization.project.service_account.api_key", "value": key.value}
            return as_json(200, {"id": key.id, "name": name, "role": "member", "api_key": secret | {"expires_at": None}})
        if path == accounts:
            found = [{"id": k.id, "name": k.name} for k in self.alive if k.facts.get("account")]
            return as_json(200, {"data": [] if after else found, "has_more": False})
        if path == keys:
            found = [
                {"id": k.id, "name": k.name, "redacted_value": k.value[:12] + "*" * 8 + k.value[-4:]}
                for k in self.alive
                if not k.facts.get("account")
            ]
            return as_json(200, {"data": [] if after else found, "has_more": False})
        key = self.keys.get(path.rpartition("/")[2])
        if key is None or not key.alive:
            return as_json(404, {"error": {"code": "not_found"}})
        if bool(key.facts.get("account")) != path.startswith(accounts):
            return as_json(400, {"error": {"message": "API keys cannot be deleted for service accounts"}})
        self.kill(key)
        return as_json(200, {"id": key.id, "deleted": True})


class Anthropic(Vendor):
    """https://platform.claude.com/docs/en/api/admin/api_keys: keys can be listed and switched off, not made."""

    host = "api.anthropic.com"

    def answer(self, asked: Asked) -> Reply:
        path, sent = urlsplit(asked.path).path, asked.headers.get("x-api-key", "")
        if path == "/v1/models":
            if self.by_value(sent):
                return as_json(200, {"data": []})
            return as_json(401, {"error": {"type": "authentication_error", "message": "invalid x-api-key"}})
        if sent != self.admin:
            return as_json(401, {"error": {"type": "authentication_error"}})
        if path == "/v1/organizations/api_keys":
            after = parse_qs(urlsplit(asked.path).query).get("after_id")
            entries = [{"id": k.id, "name": k.name, "partial_key_hint": masked(k.value, 18, 4)} for k in self.keys.values()]
            return as_json(200, {"data": [] if after else entries, "has_more": False})
        key = self.keys[path.rpartition("/")[2]]
        assert json.loads(asked.body) == {"status": "inactive"}
        self.kill(key)
        return as_json(200, {"id": key.id, "status": "inactive"})


class GitLab(Vendor):
    """https://docs.gitlab.com/api/personal_access_tokens: rotating kills the old value at once."""

    host = "gitlab.com"

    def answer(self, asked: Asked) -> Reply:
        key = self.by_value(asked.headers.get("private-token", ""))
        if key is None:
            return as_json(401, {"message": "401 Unauthorized"})
        if asked.method == "GET":
            return as_json(200, {"id": key.id, "name": key.name, "active": True})
        found = re.match(r"/api/v4/personal_access_tokens/self/rotate\?expires_at=(\d{4}-\d\d-\d\d)\Z", asked.path)
        assert found, asked.path
        self.kill(key)
        new = self.add("glpat-" + secrets.token_hex(10), key.name)
        return as_json(200, {"id": new.id, "name": new.name, "token": new.value, "expires_at": found[1]})


class Cloudflare(Vendor):
    """https://developers.cloudflare.com/api: PUT /user/tokens/{id}/value gives a token another value."""

    host = "api.cloudflare.com"

    def answer(self, asked: Asked) -> Reply:
        path, sender = urlsplit(asked.path).path, self.by_value(bearer(asked))
        if path == "/client/v4/user/tokens/verify" and sender:
            return as_json(200, {"success": True, "result": {"id": sender.id, "status": "active"}})
        if bearer(asked) != self.admin and not sender:
            return as_json(401, {"success": False, "errors": [{"code": 1000, "message": "Invalid API Token"}]})
        found = re.match(r"/client/v4/user/tokens/(\w+)/value\Z", path)
        assert found, path
        key = self.keys[found[1]]
        key.value = "cfut_" + secrets.token_hex(24)
        self.least_alive = min(self.least_alive, 0)
        return as_json(200, {"success": True, "result": key.value})


class Vercel(Vendor):
    """https://vercel.com/docs/rest-api/authentication."""

    host = "api.vercel.com"

    def answer(self, asked: Asked) -> Reply:
        path, key = urlsplit(asked.path).path, self.by_value(bearer(asked))
        if key is None:
            return as_json(403, {"error": {"code": "forbidden", "invalidToken": True}})
        if path == "/v2/user":
            return as_json(200, {"user": {}})
        if path == "/v5/user/tokens/current":
            return as_json(200, {"token": {"id": key.id, "name": key.name}})
        if path == "/v5/user/tokens":
            return as_json(200, {"tokens": [{"id": k.id, "name": k.name} for k in self.alive]})
        if asked.method == "POST":
            new = self.add("vcp_" + secrets.token_hex(28), json.loads(asked.body)["name"])
            return as_json(200, {"token": {"id": new.id, "name": new.name}, "bearerToken": new.value})
        gone = self.keys.get(path.rpartition("/")[2])
        if gone is None or not gone.alive:
            return as_json(404, {"error": {"code": "not_found"}})
        self.kill(gone)
        return as_json(200, {"tokenId": gone.id})


class SendGrid(Vendor):
    """https://www.twilio.com/docs/sendgrid/api-reference/api-keys; a key made without scopes may do everything."""

    host = "api.sendgrid.com"

    def __init__(self, net: Internet) -> None:
        super().__init__(net)
        net.hosts["api.eu.sendgrid.com"] = lambda _: as_json(401, {"errors": [{"message": "authorization required"}]})

    def make(self, name: str, scopes: list[str]) -> Key:
        key_id = secrets.token_hex(11)
        key = Key(key_id, f"SG.{key_id}.{secrets.token_hex(21)}0", name, facts={"scopes": scopes})
        self.keys[key_id] = key
        return key

    def answer(self, asked: Asked) -> Reply:
        path, sender = urlsplit(asked.path).path, self.by_value(bearer(asked))
        if sender is None:
            return as_json(401, {"errors": [{"message": "authorization required"}]})
        if path == "/v3/scopes":
            return as_json(200, {"scopes": sender.facts["scopes"]})
        if path == "/v3/api_keys" and asked.method == "POST":
            body = json.loads(asked.body)
            new = self.make(body["name"], body.get("scopes", ["everything"]))
            return as_json(201, {"api_key": new.value, "api_key_id": new.id, "name": new.name, **new.facts})
        if path == "/v3/api_keys":
            return as_json(200, {"result": [{"api_key_id": k.id, "name": k.name} for k in self.alive]})
        key = self.keys.get(path.rpartition("/")[2])
        if key is None or not key.alive:
            return as_json(404, {"errors": []})
        if asked.method == "GET":
            return as_json(200, {"result": [{}], "api_key_id": key.id, "name": key.name, **key.facts})
        self.kill(key)
        return Reply(204)


class Perplexity(Vendor):
    """https://docs.perplexity.ai: keys are made and revoked by value; nothing lists them."""

    host = "api.perplexity.ai"

    def answer(self, asked: Asked) -> Reply:
        sender = self.by_value(bearer(asked))
        if sender is None:
            return as_json(401, {"error": {"message": "Invalid API key"}})
        if asked.path == "/generate_auth_token":
            new = self.add("pplx-" + secrets.token_hex(24), json.loads(asked.body)["token_name"])
            return as_json(200, {"auth_token": new.value, "token_name": new.name})
        if asked.path == "/revoke_auth_token":
            gone = next((k for k in self.alive if k.value == json.loads(asked.body)["auth_token"]), None)
            if gone is None:
                return as_json(404, {})
            self.kill(gone)
            return as_json(200, {})
        return as_json(200, {"requests": []})


class Revoker(Vendor):
    """GitHub and Hugging Face: anybody may end a token that they hold; the answer is always 202."""

    def __init__(self, net: Internet, host: str, path: str, ask_path: str) -> None:
        self.host, self._path, self._ask_path = host, path, ask_path
        super().__init__(net)

    def answer(self, asked: Asked) -> Reply:
        if asked.path == self._path:
            assert "authorization" not in asked.headers
            for value in json.loads(asked.body)["credentials"]:
                if key := self.by_value(value):
                    self.kill(key)
            return as_json(202, {})
        if self.by_value(bearer(asked).removeprefix("token ")):
            return as_json(200, {"login": "me", "name": "me", "type": "user"})
        return as_json(401, {"message": "Bad credentials", "error": "Invalid credentials in Authorization header"})


class Iam(Vendor):
    """AWS: two keys a user, XML answers. The signature is not checked, only who signed."""

    host = "iam.amazonaws.com"

    def __init__(self, net: Internet) -> None:
        super().__init__(net, quota=2)
        for region in ("sts.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com"):
            net.hosts[region] = self._sts

    def make(self) -> Key:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        key = self.add("AKIA" + "".join(secrets.choice(letters) for _ in range(16)))
        key.secret = secrets.token_urlsafe(30)
        return key

    def counts(self, asked: Asked) -> bool:
        return "Action=List" not in asked.body

    def _signer(self, asked: Asked) -> Key | None:
        found = re.search(r"Credential=(\w+)/", asked.headers.get("authorization", ""))
        return self.by_value(found[1]) if found else None

    def _sts(self, asked: Asked) -> Reply:
        if asked.host == "sts.amazonaws.com" and self._signer(asked):
            return Reply(200, "<GetCallerIdentityResponse/>", {"Content-Type": "text/xml"})
        return Reply(403, "<Code>InvalidClientTokenId</Code>", {"Content-Type": "text/xml"})

    def answer(self, asked: Asked) -> Reply:
        xml = {"Content-Type": "text/xml"}
        if self._signer(asked) is None:
            return Reply(403, "<Code>InvalidClientTokenId</Code>", xml)
        form = {name: values[0] for name, values in parse_qs(asked.body).items()}
        if form["Action"] == "ListAccessKeys":
            members = "".join(
                f"<member><AccessKeyId>{k.value}</AccessKeyId><CreateDate>2026-01-01T00:00:00Z</CreateDate></member>"
                for k in self.alive
            )
            return Reply(
                200, f"<ListAccessKeysResponse><AccessKeyMetadata>{members}</AccessKeyMetadata></ListAccessKeysResponse>", xml
            )
        if form["Action"] == "CreateAccessKey":
            if len(self.alive) >= self.quota:
                return Reply(409, "<Code>LimitExceeded</Code>", xml)
            key = self.make()
            text = f"<AccessKeyId>{key.value}</AccessKeyId><SecretAccessKey>{key.secret}</SecretAccessKey>"
            return Reply(200, f"<CreateAccessKeyResponse><AccessKey>{text}</AccessKey></CreateAccessKeyResponse>", xml)
        gone = next((k for k in self.alive if k.value == form["AccessKeyId"]), None)
        if gone is None:
            return Reply(404, "<Code>NoSuchEntity</Code>", xml)
        self.kill(gone)
        return Reply(200, "<DeleteAccessKeyResponse/>", xml)

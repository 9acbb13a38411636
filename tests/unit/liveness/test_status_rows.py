"""What vendors are known to answer, as it was gathered from their documentation, their libraries and public code.

Where two sources differ, the more cautious verdict is the one expected, and the name of the case says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from internet import Reply
from vendors import FIELDS, PROVIDERS, Case, Told, answer, opened, page, supported

from keyvault.liveness import verdict


class Row(NamedTuple):
    """`says`: what is proven, in words. `replies`: by address, the last for all further; None hangs up."""

    vendor: str
    says: str
    replies: tuple[Reply | None, ...]
    verdict: str
    prefix: str = ""
    fields: Mapping[str, str] | None = None
    base_url: str = ""

    @property
    def name(self) -> str:
        return f"{self.vendor} {self.prefix}: {self.says} -> {self.verdict}".replace(" :", ":")


def row(vendor: str, says: str, status: int, body: Any, verdict: str, prefix: str = "", **more: Any) -> Row:
    body = {**body, "echo": "%KEY%"} if isinstance(body, dict) else body
    return Row(vendor, says, (answer(status, body),), verdict, prefix, **more)


def error(code: str, message: str = "no", kind: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message} | ({"type": kind} if kind else {})}


def google(status: int, name: str, message: str, reason: str = "") -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": name, "details": [{"reason": reason}]}}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


XAI = {"api_key_blocked": False, "api_key_disabled": False, "team_blocked": False, "name": "k"}
MINIMAX = {"base_resp": {"status_code": 0, "status_msg": "success"}}
BLOCKED = ("SERVICE", "HTTP_REFERRER", "IP_ADDRESS", "ANDROID_APP", "IOS_APP")
OPENAI_RIGHTS = "You have insufficient permissions for this operation. Missing scopes: api.model.read."
COUNTRY = '{"code":"unsupported_country_region_territory","type":"request_forbidden"}'

# Answers that mean the opposite of the naive reading
OPPOSITE = [
    row(
        "google-gemini",
        "400 with the reason API_KEY_INVALID",
        400,
        google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
        "invalid",
    ),
    row(
        "google-gemini",
        "the reason API_KEY_INVALID alone",
        400,
        google(400, "INVALID_ARGUMENT", "no", "API_KEY_INVALID"),
        "invalid",
    ),
    row("google-gemini", "another 400 INVALID_ARGUMENT", 400, google(400, "INVALID_ARGUMENT", "pageSize"), "unknown"),
    row(
        "google-gemini",
        "a 400 for the place",
        400,
        google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        "unknown",
    ),
    row(
        "google-gemini",
        "403 for a leak",
        403,
        google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
        "disabled",
    ),
    row(
        "google-gemini",
        "403 SERVICE_DISABLED",
        403,
        google(403, "PERMISSION_DENIED", "no", "SERVICE_DISABLED"),
        "restricted",
    ),
    *(
        row(
            "google-gemini",
            f"403 API_KEY_{kind}_BLOCKED",
            403,
            google(403, "PERMISSION_DENIED", "no", f"API_KEY_{kind}_BLOCKED"),
            "restricted",
        )
        for kind in BLOCKED
    ),
    row("xai", "400 Incorrect API key", 400, {"code": "x", "error": "Incorrect API key provided: xa***%KEY%"}, "invalid"),
    *(
        row("xai", f"200 with {flag} true", 200, XAI | {flag: True}, "disabled")
        for flag in ("api_key_blocked", "api_key_disabled", "team_blocked")
    ),
    row("xai", "200 with no flag up", 200, XAI, "valid"),
    row(
        "anthropic",
        "400 for low credit",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the API."),
        "no_credit",
        "sk-ant-api03-",
    ),
    row("zhipu", "429 with 1113 is arrears", 429, error("1113"), "no_credit"),
    row("openai", "429 insufficient_quota is no throttling", 429, error("insufficient_quota", "You exceeded..."), "no_credit"),
    row("alibaba-bailian", "429 insufficient_quota is throttling", 429, error("insufficient_quota"), "rate_limited"),
    row("alibaba-bailian", "400 Arrearage", 400, error("Arrearage"), "no_credit"),
    row("volcengine-ark", "403 AccountOverdueError", 403, error("AccountOverdueError"), "no_credit"),
    row("moonshot", "403", 403, error("", "permission denied", "permission_denied_error"), "restricted"),
    *(
        row("openai", f"{status} {words}", status, error("", words), "restricted")
        for status in (401, 403)
        for words in (OPENAI_RIGHTS, "insufficient permissions", "Missing scopes: api.model.read")
    ),
    row("openai", "403 for the country", 403, COUNTRY, "unknown"),
    row(
        "groq",
        "403 for the network",
        403,
        {"error": {"message": "Access denied. Please check your network settings."}},
        "unknown",
    ),
    row("openrouter", "403 for the place", 403, {"success": False, "error": "Access denied by security policy."}, "unknown"),
    row("brave-search", "422", 422, {"type": "ErrorResponse", "error": {"code": "SUBSCRIPTION_TOKEN_INVALID"}}, "invalid"),
    row("brave-search", "another 422", 422, {"type": "ErrorResponse", "error": {"code": "VALIDATION"}}, "unknown"),
    *(
        line
        for prefix in ("pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw")
        for line in (
            row("pypi", "400 for the digest", 400, "400 Include at least one message digest.", "valid", prefix),
            row("pypi", "403", 403, "403 Invalid or non-existent authentication information.", "invalid", prefix),
            row("pypi", "another 400", 400, "400 Invalid distribution metadata", "unknown", prefix),
        )
    ),
    row("slack", "200 ok", 200, {"ok": True, "team": "T"}, "valid", "xoxb-"),
    row("slack", "200 with an error nobody named", 200, {"ok": False, "error": "fatal_error"}, "unknown", "xoxb-"),
    *(
        row("minimax", f"200 with {code} at both hosts", 200, {"base_resp": {"status_code": code}}, "invalid")
        for code in (2049, 1004)
    ),
    *(
        Row(
            "minimax",
            f"{code} at the first host, a good key of the second",
            (answer(200, {"base_resp": {"status_code": code}}), answer(200, MINIMAX)),
            "valid",
        )
        for code in (2049, 1004)
    ),
    row("minimax", "200 with an error nobody named", 200, {"base_resp": {"status_code": 1000}}, "unknown"),
    row("baidu-qianfan", "200 with 110", 200, {"error_code": 110, "error_msg": "Access token invalid"}, "invalid"),
    row("baidu-qianfan", "200 with 111", 200, {"error_code": 111, "error_msg": "Access token expired"}, "disabled"),
    *(
        row("elevenlabs", f"401 {why}", 401, {"detail": {"status": why, "message": "no"}}, expected)
        for why, expected in {
            "invalid_api_key": "invalid",
            "missing_permissions": "restricted",
            "quota_exceeded": "no_credit",
            "detected_unusual_activity": "restricted",
            "something_new": "unknown",
        }.items()
    ),
    *(
        row("fireworks", f"200 {why}", 200, {"accounts": [{"suspendState": why}]}, expected)
        for why, expected in {
            "CREDIT_DEPLETED": "no_credit",
            "MONTHLY_SPEND_LIMIT_EXCEEDED": "no_credit",
            "FAILED_PAYMENTS": "no_credit",
            "BLOCKED_BY_ABUSE_RULE": "disabled",
            "UNSPECIFIED": "valid",
        }.items()
    ),
    row("fireworks", "412", 412, error("ACCOUNT_SUSPENDED"), "no_credit"),
    row("tavily", "432", 432, {"detail": {"error": "plan limit"}}, "no_credit"),
    row("tavily", "433", 433, {"detail": {"error": "pay as you go limit"}}, "no_credit"),
    row("telegram-bot", "401", 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}, "invalid"),
    row("telegram-bot", "404", 404, {"ok": False, "error_code": 404, "description": "Not Found"}, "invalid"),
    row(
        "cloudflare",
        "code 1000 for a token that may be an account's",
        401,
        {"success": False, "errors": [{"code": 1000, "message": "Invalid API Token"}]},
        "invalid_here",
        fields={},
    ),
    row(
        "cloudflare",
        "code 1000 for a user's token",
        401,
        {"success": False, "errors": [{"code": 1000, "message": "Invalid API Token"}]},
        "invalid",
        "cfut_",
        fields={},
    ),
    Row(
        "cloudflare",
        "code 1000 for an account's token, which its account knows",
        (
            answer(401, {"success": False, "errors": [{"code": 1000, "message": "Invalid API Token"}]}),
            answer(200, {"result": {"id": "t", "status": "active"}, "success": True}),
        ),
        "valid",
        fields={"account_id": "account-1"},
    ),
]

LLM = [
    row("openai", "401 invalid_api_key", 401, error("invalid_api_key", "Incorrect API key provided: sk-%KEY%."), "invalid"),
    row("openai", "401 ip_not_authorized", 401, error("ip_not_authorized"), "restricted"),
    row("openai", "401 account_deactivated", 401, error("account_deactivated"), "disabled"),
    row("openai", "401 billing_not_active", 401, error("billing_not_active"), "no_credit"),
    row("openai", "429 billing_not_active", 429, error("billing_not_active"), "no_credit"),
    row("openai", "401 that nobody named (the more cautious reading)", 401, error("new"), "unknown"),
    *(
        row("openai", f"429 {code}", 429, error(code), "no_credit")
        for code in ("credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded")
    ),
    row("openai", "429 rate_limit_exceeded", 429, error("rate_limit_exceeded"), "rate_limited"),
    row("openai", "200, which says nothing about credit", 200, {"object": "list", "data": []}, "valid"),
    *(
        row("anthropic", says, status, anthropic(kind, message), expected, "sk-ant-api03-")
        for says, status, kind, message, expected in (
            ("401", 401, "authentication_error", "invalid x-api-key", "invalid"),
            ("403 permission_error", 403, "permission_error", "no permission", "restricted"),
            ("403 at the edge", 403, "forbidden", "Request not allowed", "unknown"),
            ("403 at the edge under the other name", 403, "permission_error", "Request not allowed", "unknown"),
            ("402 billing_error", 402, "billing_error", "no", "no_credit"),
            ("429", 429, "rate_limit_error", "no", "rate_limited"),
            ("529", 529, "overloaded_error", "Overloaded", "unknown"),
            ("400 for a missing version", 400, "invalid_request_error", "anthropic-version: header is required", "unknown"),
            ("404 not found or disabled", 404, "not_found_error", "Not found", "unknown"),
        )
    ),
    row("google-gemini", "429", 429, google(429, "RESOURCE_EXHAUSTED", "quota"), "rate_limited"),
    row("google-gemini", "402 when prepaid credit is used up", 402, google(402, "FAILED_PRECONDITION", "no"), "no_credit"),
    row("google-gemini", "401 for the wrong kind of credential", 401, google(401, "UNAUTHENTICATED", "no"), "unknown"),
    Row(
        "google-gemini",
        "an error object in a list",
        (answer(400, [google(400, "INVALID_ARGUMENT", "API key not valid.", "API_KEY_INVALID")]),),
        "invalid",
    ),
    row("openrouter", "401 User not found.", 401, {"error": {"message": "User not found.", "code": 401}}, "invalid"),
    row("openrouter", "401 No auth credentials found", 401, error("401", "No auth credentials found"), "invalid"),
    row("openrouter", "402", 402, error("402", "Insufficient credits"), "no_credit"),
    row("openrouter", "403 of a guardrail", 403, error("403", "blocked by a guardrail"), "refused"),
    row("openrouter", "429", 429, error("429"), "rate_limited"),
    row("openrouter", "502", 502, error("502"), "unknown"),
    row("openrouter", "503", 503, error("503"), "unknown"),
    Row("openrouter", "a page of Cloudflare with 403", (page(403),), "unknown"),
    Row("openrouter", "a page of Cloudflare with 503", (page(503),), "unknown"),
    Row(
        "deepseek",
        "401 in plain text",
        (Reply(401, "Authentication Fails (governor)", {"Content-Type": "text/plain"}),),
        "invalid",
    ),
    row("deepseek", "401 as JSON", 401, error("", "Your api key: ****%KEY% is invalid", "authentication_error"), "invalid"),
    row("deepseek", "402", 402, error("", "Insufficient Balance"), "no_credit"),
    row("deepseek", "422", 422, error("invalid_parameters"), "unknown"),
    row("deepseek", "429", 429, error(""), "rate_limited"),
    row("deepseek", "500", 500, error(""), "unknown"),
    row("deepseek", "503", 503, error(""), "unknown"),
    row("deepseek", "200 and nothing left", 200, {"is_available": False, "balance_infos": []}, "no_credit"),
    row("deepseek", "200 and something left", 200, {"is_available": True, "balance_infos": []}, "valid"),
    *(
        line
        for kind in ("incorrect_api_key_error", "invalid_authentication_error")
        for line in (
            row("moonshot", f"401 {kind} at both hosts", 401, error("", "no", kind), "invalid"),
            Row(
                "moonshot",
                f"401 {kind} at .cn for a key of .ai",
                (answer(401, error("", "no", kind)), answer(200, {"code": 0})),
                "valid",
            ),
            Row(
                "moonshot",
                f"401 {kind} at .ai for a key of .cn",
                (answer(401, error("", "no", kind)), answer(200, {"code": 0})),
                "valid",
                base_url="https://api.moonshot.ai/v1",
            ),
        )
    ),
    row("moonshot", "429 exceeded_current_quota_error", 429, error("", "no", "exceeded_current_quota_error"), "no_credit"),
    row("moonshot", "429 rate_limit_reached_error", 429, error("", "no", "rate_limit_reached_error"), "rate_limited"),
    row("moonshot", "429 engine_overloaded_error", 429, error("", "no", "engine_overloaded_error"), "rate_limited"),
    *(
        row("zhipu", f"{status} with {code}{says}", status, error(code), expected)
        for status, code, says, expected in (
            (401, "1000", " at both hosts", "invalid"),
            (401, "1001", " (no header: the key was not seen)", "unknown"),
            (401, "1002", " at both hosts", "invalid"),
            (401, "1003", "", "disabled"),
            (401, "1004", " at both hosts", "invalid"),
            (401, "1005", "", "restricted"),
            (429, "1110", "", "disabled"),
            (429, "1112", "", "disabled"),
            (429, "1121", "", "disabled"),
            (429, "1302", "", "rate_limited"),
            (429, "1305", "", "rate_limited"),
            (429, "1308", "", "rate_limited"),
            (429, "1309", "", "no_credit"),
            (403, "1220", "", "restricted"),
        )
    ),
    Row("zhipu", "a key of z.ai", (answer(401, error("1000")), answer(200, {"object": "list", "data": []})), "valid"),
    row("zhipu", "200 that says no (the more cautious reading)", 200, {"code": 1001, "success": False}, "unknown"),
    row("alibaba-bailian", "401 InvalidApiKey in all regions", 401, {"code": "InvalidApiKey", "message": "no"}, "invalid"),
    row("alibaba-bailian", "401 invalid_api_key in all regions", 401, error("invalid_api_key"), "invalid"),
    *(
        Row(
            "alibaba-bailian",
            f"a key of region {number}",
            (*[answer(401, error("invalid_api_key"))] * (number - 1), answer(200, {"data": []})),
            "valid",
        )
        for number in (2, 3, 4)
    ),
    row("alibaba-bailian", "403 AccessDenied", 403, {"code": "AccessDenied"}, "restricted"),
    row("alibaba-bailian", "403 AccessDenied.Unpurchased", 403, {"code": "AccessDenied.Unpurchased"}, "restricted"),
    row("alibaba-bailian", "403 FreeTierOnly", 403, {"code": "AllocationQuota.FreeTierOnly"}, "no_credit"),
    row("alibaba-bailian", "429 Throttling.RateQuota", 429, {"code": "Throttling.RateQuota"}, "rate_limited"),
    row("baidu-qianfan", "401 invalid_iam_token for a V2 key", 401, error("invalid_iam_token"), "invalid", "bce-v3/ALTAK-"),
    row("baidu-qianfan", "401 invalid_iam_token for a token of V1", 401, error("invalid_iam_token"), "unknown", "24."),
    *(
        row("baidu-qianfan", f"{status} for a plan's key", status, error("coding_plan_api_key_not_allowed"), "restricted", pre)
        for status in (400, 401, 403)
        for pre in ("bce-v3/ALTAK-", "24.")
    ),
    *(
        row("baidu-qianfan", f"200 with {code}", 200, {"error_code": code, "error_msg": "no"}, expected, prefix)
        for prefix in ("bce-v3/ALTAK-", "24.")
        for code, expected in {
            13: "invalid",
            14: "invalid",
            6: "restricted",
            4: "rate_limited",
            17: "rate_limited",
            18: "rate_limited",
            19: "rate_limited",
            336003: "unknown",
        }.items()
    ),
    *(
        row("siliconflow", f"{status} with 30014 at both hosts", status, {"code": 30014, "message": "Invalid token"}, "invalid")
        for status in (200, 401)
    ),
    row("siliconflow", "200 without 20000", 200, {"code": 50000, "data": None}, "unknown"),
    row("siliconflow", "200 with 20000", 200, {"code": 20000, "data": {"totalBalance": "1"}}, "valid"),
    Row("siliconflow", "a key of .com", (answer(401, {"code": 30014}), answer(200, {"code": 20000})), "valid"),
    row("minimax", "1008", 200, {"base_resp": {"status_code": 1008}}, "no_credit"),
    row("minimax", "1002", 200, {"base_resp": {"status_code": 1002}}, "rate_limited"),
    row("minimax", "2056", 200, {"base_resp": {"status_code": 2056}}, "rate_limited"),
    row("minimax", "401 at both hosts", 401, {"base_resp": {"status_code": 1004}}, "invalid"),
    row("volcengine-ark", "401", 401, error("AuthenticationError"), "invalid"),
    row("volcengine-ark", "404 ModelNotOpen, which a stranger does not get", 404, error("ModelNotOpen"), "valid"),
    row("volcengine-ark", "404 for the model", 404, error("InvalidEndpointOrModel.NotFound"), "valid"),
    row("chatanywhere", "200", 200, {"balanceTotal": 1, "balanceUsed": 0}, "valid"),
    row("chatanywhere", "429", 429, error(""), "rate_limited"),
    *(row("chatanywhere", f"{status} (only 200 counts)", status, error(""), "unknown") for status in (400, 401, 402, 403, 404)),
    row("mistral", "401 Unauthorized, as Codestral's keys get too", 401, {"detail": "Unauthorized"}, "invalid_here"),
    row("mistral", "401 Invalid API Key", 401, {"message": "Invalid API Key"}, "invalid_here"),
    row("mistral", "429 with 1300", 429, {"code": "1300", "message": "Rate limit exceeded"}, "rate_limited"),
    row("groq", "401", 401, error("invalid_api_key", "Invalid API Key"), "invalid"),
    row(
        "groq",
        "400 for an organization",
        400,
        error("organization_restricted", "This organization has been restricted."),
        "disabled",
    ),
    Row("together", "401 in plain text", (Reply(401, "Unauthorized", {"Content-Type": "text/plain"}),), "invalid"),
    row("together", "402", 402, error("credit_limit"), "no_credit"),
    row("fireworks", "401", 401, error("INVALID_API_KEY"), "invalid"),
    row("deepinfra", "401", 401, {"detail": {"error": "User is not authenticated"}}, "invalid"),
    row("deepinfra", "402", 402, {"detail": {"error": "no balance"}}, "no_credit"),
    row("deepinfra", "403 without the right to billing", 403, {"detail": "no"}, "restricted"),
    row("xai", "401 without a header (the key was not seen)", 401, {"code": "unauthenticated:no-credentials"}, "unknown"),
    row("xai", "429 with nothing left", 429, {"error": "Your team has used all available credits"}, "no_credit"),
    row("cohere", "valid true", 200, {"valid": True}, "valid"),
    row("cohere", "valid false", 200, {"valid": False}, "invalid"),
    row("cohere", "200 that does not say", 200, {"message": "hello"}, "unknown"),
    row("perplexity", "401", 401, error("401", "Authorization required"), "invalid"),
    row("hyperbolic", "403", 403, {"detail": "Could not validate credentials"}, "invalid"),
    row("replicate", "401", 401, {"title": "Unauthenticated", "detail": "no", "status": 401}, "invalid"),
    row("voyage", "401", 401, {"detail": "Provided API key is invalid."}, "invalid"),
    row("voyage", "403", 403, {"detail": "no"}, "restricted"),
    row("huggingface", "401", 401, {"error": "Invalid credentials in Authorization header"}, "invalid"),
    row("huggingface", "401 expired", 401, {"error": 'User Access Token "x" is expired'}, "disabled"),
    row("huggingface", "429", 429, {"error": "rate limit"}, "rate_limited"),
    *(
        row(vendor, "401", 401, error(""), "invalid")
        for vendor in ("meta-llama", "cerebras", "nebius", "nvidia-nim", "ai21", "upstage", "stability", "stepfun")
    ),
    *(
        row(vendor, f"{status}, of which nothing reliable is known", status, error(""), expected)
        for vendor in ("sambanova", "01ai", "tencent-hunyuan", "modelscope", "exa", "ollama-cloud")
        for status, expected in {401: "invalid", 400: "unknown", 402: "unknown", 403: "unknown", 404: "unknown"}.items()
    ),
]

OTHERS = [
    row("aws", "403 InvalidClientTokenId in all partitions", 403, error("InvalidClientTokenId"), "invalid", "AKIA"),
    row("aws", "403 SignatureDoesNotMatch", 403, error("SignatureDoesNotMatch"), "invalid", "AKIA"),
    row("aws", "403 ExpiredToken", 403, error("ExpiredToken"), "disabled", "ASIA"),
    row("aws", "403 RequestExpired (the clock here is wrong)", 403, error("RequestExpired"), "unknown", "AKIA"),
    row(
        "aws",
        "403 SignatureDoesNotMatch for the clock here",
        403,
        error("SignatureDoesNotMatch", "Signature expired: 20261122T000000Z is now earlier than 20261122T010000Z"),
        "unknown",
        "AKIA",
    ),
    Row(
        "aws",
        "a key of the second partition",
        (answer(403, error("InvalidClientTokenId")), answer(200, "<x/>")),
        "valid",
        "AKIA",
    ),
    row("github", "401", 401, {"message": "Bad credentials"}, "invalid", "ghp_"),
    row("github", "403 for the rate", 403, {"message": "API rate limit exceeded for user ID 1."}, "rate_limited", "ghp_"),
    row(
        "github", "403 for SSO", 403, {"message": "Resource protected by organization SAML enforcement."}, "restricted", "ghp_"
    ),
    row("github", "403 for the address", 403, {"message": "your IP address is not on the allow list"}, "restricted", "ghp_"),
    row("gitlab", "401", 401, {"message": "401 Unauthorized"}, "invalid", "glpat-"),
    row("gitlab", "403 insufficient_scope", 403, {"error": "insufficient_scope"}, "restricted", "glpat-"),
    row(
        "gitlab",
        "403 for a blocked user",
        403,
        {"message": "403 Forbidden - Your account has been blocked."},
        "disabled",
        "glpat-",
    ),
    row("stripe", "401", 401, error("", "Invalid API Key provided: sk_live_****%KEY%"), "invalid", "sk_live_"),
    row("stripe", "401 api_key_expired", 401, error("api_key_expired"), "disabled", "sk_live_"),
    row("stripe", "403", 403, error("", "no permission"), "restricted", "rk_live_"),
    *(
        row(vendor, "403 lacks a right", 403, {"message": "access forbidden"}, "restricted")
        for vendor in ("sendgrid", "digitalocean", "sentry", "notion", "pinecone")
    ),
    *(
        row("slack", f"200 {why}", 200, {"ok": False, "error": why}, expected, "xoxb-")
        for why, expected in {
            "invalid_auth": "invalid",
            "token_revoked": "disabled",
            "token_expired": "disabled",
            "account_inactive": "disabled",
        }.items()
    ),
    row("datadog", "403 (bad, or the wrong site)", 403, {"errors": ["Forbidden"]}, "invalid_here"),
    row("langfuse", "401 (bad, or the wrong host)", 401, {"message": "Invalid credentials"}, "invalid_here", "sk-lf-"),
    row("langfuse", "403 (bad, or the wrong host)", 403, {"message": "no"}, "invalid_here", "sk-lf-"),
    *(
        line
        for prefix in ("lsv2_pt_", "lsv2_sk_")
        for status in (401, 403)
        for line in (
            row("langsmith", f"{status} at both hosts", status, {"detail": "Invalid token"}, "invalid", prefix),
            Row(
                "langsmith",
                f"{status} for a key of the other host",
                (answer(status, {"detail": "Invalid token"}), answer(200, {"id": "o"})),
                "valid",
                prefix,
            ),
        )
    ),
    *(
        row(
            "linear",
            f"{status} AUTHENTICATION_ERROR",
            status,
            {"errors": [{"message": "Authentication required", "extensions": {"code": "AUTHENTICATION_ERROR"}}]},
            "invalid",
        )
        for status in (200, 400)
    ),
    row("linear", "200 with a viewer", 200, {"data": {"viewer": {"id": "u"}}}, "valid"),
    row("wandb", "200 without a viewer", 200, {"data": {"viewer": None}}, "invalid"),
    row("wandb", "200 with a viewer", 200, {"data": {"viewer": {"username": "u"}}}, "valid"),
    row("wandb", "200 that holds neither", 200, {"data": {}}, "unknown"),
    row("runpod", "200 without oneself (the more cautious reading)", 200, {"data": {"myself": None}}, "unknown"),
    row("runpod", "200 with oneself", 200, {"data": {"myself": {"id": "u"}}}, "valid"),
    row("vercel", "403 invalidToken", 403, {"error": {"code": "forbidden", "invalidToken": True}}, "invalid"),
    row("twilio", "401 (bad, or the wrong account)", 401, {"code": 20003, "message": "Authenticate"}, "invalid_here"),
    row("serper", "403", 403, {"message": "Unauthorized."}, "invalid"),
    *(
        row(
            "cloudflare",
            f"a token whose status is {state}",
            200,
            {"result": {"status": state}, "success": True},
            expected,
            prefix,
        )
        for prefix in ("cfut_", "cfat_", "")
        for state, expected in {"active": "valid", "disabled": "disabled", "expired": "disabled"}.items()
    ),
]

# Nothing free is known that could be asked, so nothing is sent.
SILENT = [
    row("moonshot", "a key of Kimi Code", 402, error(""), "unknown", "sk-kimi-"),
    row("alibaba-bailian", "a plan's key", 401, error(""), "unknown", "sk-sp-"),
    row("iflytek-spark", "any key (11200 concerns a model)", 200, {"code": 11200, "message": "AppIdNoAuthError"}, "unknown"),
    row("baichuan", "any key", 401, error(""), "unknown"),
    row("alibaba-cloud", "any key (InvalidAccessKeyId.Inactive needs a signature)", 404, error(""), "unknown"),
]

ROWS = [*OPPOSITE, *LLM, *OTHERS, *SILENT]
PUBLIC = "openrouter deepinfra nvidia-nim sambanova huggingface jina modelscope novita vercel-ai-gateway".split()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Told]]:
    folder: Path = tmp_path_factory.mktemp("status")
    with opened(folder) as vendors:
        cases = [Case(row.vendor, row.replies, row.prefix, row.fields, row.base_url) for row in ROWS]
        yield dict(zip((row.name for row in ROWS), vendors.check(cases), strict=True))


def test_no_two_cases_have_one_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_known_answer_gets_its_verdict(told: dict[str, Told], row: Row) -> None:
    heard = told[row.name]
    assert heard.result.verdict == row.verdict, heard.result
    assert heard.result.usable == verdict.MEANINGS[row.verdict][0]
    assert bool(heard.asked) == (row not in SILENT)
    assert bool(heard.result.then) == (row.verdict != "valid") or row in SILENT


def test_what_vendors_echo_of_a_key_is_not_told(told: dict[str, Told]) -> None:
    echoed = [
        heard for row, heard in zip(ROWS, told.values(), strict=True) for r in row.replies if r and "%KEY%" in str(r.body)
    ]
    assert len(echoed) > 150
    for heard in echoed:
        assert heard.key not in repr(heard.result)
        assert "kvcase" not in repr(heard.result)


@pytest.mark.parametrize("vendor", PUBLIC)
def test_no_key_is_judged_by_a_listing_that_strangers_get(vendor: str) -> None:
    for check in supported(PROVIDERS[vendor]):
        assert check.ask_without_key or not any(url.endswith("/models") for url in check.urls)


def test_tokens_of_a_login_go_as_bearer_and_keys_do_not(tmp_path: Path) -> None:
    with opened(tmp_path) as vendors:
        login, plain = vendors.check(
            [Case("anthropic", [answer(200, {})], "sk-ant-oat01-"), Case("anthropic", [answer(200, {})], "sk-ant-api03-")]
        )
    assert login.asked[0].headers["authorization"] == f"Bearer {login.key}"
    assert "x-api-key" not in login.asked[0].headers
    assert plain.asked[0].headers["x-api-key"] == plain.key
    assert "authorization" not in plain.asked[0].headers


def test_every_field_that_a_case_gives_is_one_of_some_vendor() -> None:
    assert set(FIELDS) <= {name for provider in PROVIDERS.values() for name in provider.fields}

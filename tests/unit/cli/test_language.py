from __future__ import annotations

import time

import pytest

from keyvault.cli import language
from keyvault.cli.columns import width, wrapped
from keyvault.cli.language import CHINESE, ENGLISH, said, wanted
from keyvault.providers import catalogue

_ASKED = ("KEYVAULT_LANG", "LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG", "LANGUAGE")


def speak(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in _ASKED:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ENGLISH),
        ({"LANG": "C"}, ENGLISH),
        ({"LANG": "C.UTF-8"}, ENGLISH),
        ({"LANG": "de_DE.UTF-8"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, CHINESE),
        ({"LANG": "zh_CN.utf8"}, CHINESE),
        ({"LANG": "zh_SG.UTF-8"}, CHINESE),
        ({"LANG": "zh_Hans_CN.UTF-8"}, CHINESE),
        ({"LANG": "zh_CN.UTF-8@pinyin"}, CHINESE),
        ({"LANG": "zh_TW.UTF-8"}, ENGLISH),
        ({"LANG": "zh_Hant_TW.UTF-8"}, ENGLISH),
        ({"LANG": "zh_CN.GB18030"}, ENGLISH),
        ({"LANG": "zh_CN"}, ENGLISH),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, CHINESE),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_CTYPE": "zh_CN.GBK"}, ENGLISH),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, CHINESE),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "fr:zh_CN"}, CHINESE),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh_CN"}, ENGLISH),
        ({"LANG": "C", "LANGUAGE": "zh_CN"}, ENGLISH),
        ({"LANG": "C", "KEYVAULT_LANG": "zh_CN"}, CHINESE),
        ({"LANG": "zh_CN.UTF-8", "KEYVAULT_LANG": "en"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "KEYVAULT_LANG": ""}, CHINESE),
        ({"LANG": "zh_CN.UTF-8", "KEYVAULT_LANG": "klingon"}, CHINESE),
    ],
)
def test_the_language_is_that_of_the_locale(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    speak(monkeypatch, **variables)
    assert wanted() == expected


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("no keys yet", "还没有密钥"),
        ("new passphrase: ", "新口令："),
        ("key for openai/default (hidden): ", "openai/default 的密钥（不显示）："),
        ("cannot read /srv/my keys: permission denied", "无法读取 /srv/my keys：权限不足"),
        ("no vault at /srv; keyvault init makes one", "/srv 没有密钥库；用 keyvault init 新建一个"),
        ("~/.bashrc:3 gives A_KEY no value, and was skipped", "~/.bashrc:3 没有给 A_KEY 值，已跳过"),
        ("added aws/default as A, B, C", "已存入 aws/default，变量为 A, B, C"),
        ("known: sh, bash, zsh", "可选的有：sh, bash, zsh"),
        ("unlocks by passphrase, recovery", "解锁方式：口令、恢复码"),
        ("take 1 key in?", "导入 1 个密钥吗？"),
        ("take 1,234 values out of /srv/.env?", "从 /srv/.env 中移除 1,234 个值吗？"),
        ("removed 2 variables; programs that run keep theirs", "已移除 2 个变量；正在运行的程序仍保有原来的变量"),
        ("verified 1 key, 0 removed, 1 value, 12 changes", "已校验 1 个密钥，0 个已删除，1 个值，12 次更改"),
        ("wrote 1 variable to .env", "已将 1 个变量写入 .env"),
        ("no slot matches zz", "没有槽与 zz 匹配"),
        ("not possible here: no keyring answers", "这里不可用：no keyring answers"),
        ("5 others like it: not a plain file", "另有 5 项：不是普通文件"),
        ("openai/x is left out: for this it needs a management key", "略去 openai/x：为此需要 a management key"),
        ("unlocked already, for 8 h", "已经解锁，保持 8 小时"),
        ("searching files: 3 of 9 MB", "正在搜索文件：3 / 9 MB"),
        ("this looks like a key of Weights & Biases", "它看起来像 Weights & Biases 的密钥"),
        ("openai/x: it is given out only when named", "openai/x：导出条件：仅在指定时"),
        ("key for the vault (hidden): ", "要存入的密钥（不显示）："),
        ("new key for openai/default (hidden): ", "openai/default 的新密钥（不显示）："),
        ("Argon2id 64 MiB, 3 passes, 4 lanes (used now)", "Argon2id 64 MiB，3 轮，4 路并行（本次使用）"),
        ("yes (low confidence)", "是（可信度低）"),
        ("by hand, on its page; this needs a card", "在其页面上手工操作；需要 a card"),
        ("no such option '--jsn'. Did you mean '--json'?", "没有选项 '--jsn'，您是不是要找 '--json'？"),
        ("missing argument '{sh|zsh}'. Choose from: sh, zsh", "缺少参数 '{sh|zsh}'。可选的有：sh, zsh"),
        ("wrong passphrase, or its slot was altered", "口令错误，或其槽被改动过"),
        ("{region} is no field of this vendor", "{region} 不是该服务商的字段"),
        # a name stays what it is, even one that reads like a text, a word of ours, or a field
        ("made a vault at /srv/no keys yet, unlocked by keyring", "已在 /srv/no keys yet 新建密钥库，解锁方式为系统密钥环"),
        ("added passphrase/yes as {ref}", "已存入 passphrase/yes，变量为 {ref}"),
        ("no such thing was ever written", "no such thing was ever written"),
        ("", ""),
        (" \n", " \n"),
    ],
)
def test_what_was_put_together_in_english_is_said_in_chinese(
    monkeypatch: pytest.MonkeyPatch, english: str, chinese: str
) -> None:
    speak(monkeypatch, KEYVAULT_LANG="zh_CN")
    assert said(english) == chinese


def test_a_text_with_any_vendor_s_name_is_said_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, KEYVAULT_LANG="zh_CN")
    for provider in catalogue.our_own():
        assert said(f"this looks like a key of {provider.name}") == f"它看起来像 {provider.name} 的密钥"


def test_lines_are_translated_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, KEYVAULT_LANG="zh_CN")
    assert language.said_lines("\nWhat to do:\n  x: choose one\n") == "\n怎么办：\n  x：请选一个\n"


def test_a_line_of_chinese_breaks_anywhere_but_before_its_punctuation_and_inside_of_words() -> None:
    text = "找出陈旧的密钥，以及散落的密钥（明文）；然后运行 keyvault rotate --leaked 即可。"
    for most in range(10, 60):
        lines = wrapped(text, most)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(width(line) <= most for line in lines)
        assert not any(line[0] in "，；。）" or line[-1] == "（" for line in lines)
        assert "keyvault" in " ".join(lines)


def test_a_name_made_of_our_own_words_takes_no_time_that_explodes(monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, KEYVAULT_LANG="zh_CN")
    said("no keys yet")

    def cost(words: str, size: int) -> float:
        name = "nothing was found (searched: " + words * (size // len(words)) + " changed"
        begin = time.process_time()
        assert "changed" in said(name)
        return time.process_time() - begin

    assert cost("a b: ", 1_000_000) < cost("a b: ", 1900)  # nothing that long is looked for
    for words in (" files,  objects of git, ", "a b: ", "a b. "):
        half, whole = (min(cost(words, size) for _ in range(3)) for size in (950, 1900))
        assert whole < 8 * max(half, 0.002), words

"""A person whose locale is Chinese, and one whose terminal cannot show it."""

from __future__ import annotations

import json
import os

import pytest
from people import AskingHome, Terminal, write
from vaults import VaultHome, add_key

from keyvault.cli.columns import width

CHINESE = {"LANG": "zh_CN.UTF-8", "LC_ALL": ""}


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> VaultHome:
    home = VaultHome(str(tmp_path))
    add_key(home.create(), "openai/default", "sk-the value", "OPENAI_API_KEY")
    return home


def test_init_talks_chinese(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    terminal = Terminal(home, "init", env=CHINESE)
    terminal.expect("为您的 API 密钥新建密钥库，位于 ")
    terminal.expect("怎样解锁？以后还可以增加其他方式。")
    terminal.answer("passphrase 或 key-file？[passphrase] ", "passphrase")
    terminal.answer("新口令：", "abc")
    terminal.expect("强度：非常弱")
    terminal.answer("再输入一遍：", "abc")
    terminal.expect("警告: 这个口令非常弱。")
    terminal.answer("仍要使用吗？ [y/N] ", "n")
    seen = terminal.end(2)
    assert "keyvault: 错误: 这个口令非常弱" in seen
    assert "--insist 可强制使用" in seen
    assert not os.path.lexists(home.path)


def test_an_error_and_its_hint_are_chinese_and_names_stay_as_they_are(home: VaultHome) -> None:
    done = home.run("show", "opnai", env=CHINESE, code=3)
    assert done.stdout == b""
    assert done.stderr.decode() == (
        'keyvault: 错误: 没有密钥 "opnai/default"\nkeyvault: 提示: 您是不是要找 "openai/default"？\n'
    )


def test_what_was_typed_wrong_is_said_in_chinese(home: VaultHome) -> None:
    done = home.run("list", "--colour", env=CHINESE, code=2)
    assert done.stderr.decode().startswith("keyvault: 错误: 没有选项 '--colour'")
    done = home.run("log", "-n", "many", env=CHINESE, code=2)
    assert "'-n' / '--number' 的值无效：'many' 不是整数" in done.stderr.decode()


def test_help_is_chinese_and_fits_the_terminal(home: VaultHome) -> None:
    for words in ((), ("rotate",), ("audit",), ("slots", "add")):
        shown = home.run(*words, "--help", env=CHINESE | {"COLUMNS": "80"}).stdout.decode()
        assert shown.startswith("用法：keyvault")
        assert "显示本帮助并退出。" in shown
        assert "选项：\n" in shown
        assert all(width(line) <= 80 for line in shown.splitlines())
    assert "命令：\n" in home.run("--help", env=CHINESE).stdout.decode()


def test_the_columns_of_a_list_have_chinese_headings_and_stand_below_them(home: VaultHome) -> None:
    heading, row = home.run("list", env=CHINESE).stdout.decode().splitlines()
    assert heading.split() == ["密钥", "存在时间", "最近使用", "过期时间", "变量"]
    assert row.split()[0] == "openai/default"
    assert width(heading[: heading.index("变量")]) == row.index("OPENAI_API_KEY")


def test_the_labels_of_a_key_are_chinese(home: VaultHome) -> None:
    shown = home.run("show", "openai", env=CHINESE).stdout.decode()
    assert [line.split()[0] for line in shown.splitlines()[:3]] == ["密钥", "值", "变量"]


def test_words_of_ours_in_tables_are_chinese_and_have_their_colour(home: VaultHome) -> None:
    nobody = CHINESE | {"HTTPS_PROXY": "http://127.0.0.1:1"}
    shown = home.run("check", "--timeout", "1", env=nobody, code=8).stdout.decode().splitlines()
    assert shown[1].split()[:2] == ["openai/default", "无法连接"]
    assert "\x1b[33m无法连接\x1b[m" in Terminal(home, "list", env=CHINESE).end()
    assert "检测结果  无法连接，2" in home.run("show", "openai", env=CHINESE).stdout.decode()
    assert "\x1b[33m建议\x1b[m" in Terminal(home, "doctor", env=CHINESE).end()
    rows = home.run("audit", "stale", env=CHINESE).stdout.decode().splitlines()
    assert {tuple(row.split()[:2]) for row in rows[1:4]} == {("建议", "没有恢复码"), ("建议", "没有备份"), ("建议", "从未使用")}
    assert json.loads(home.run("list", "--json", env=CHINESE).stdout)["keys"][0]["verdict"] == "unreachable"


def test_what_an_import_would_do_and_did_is_chinese(home: VaultHome) -> None:
    write(
        os.path.join(home.folder, ".env"),
        "HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxEXAMPLE\nOPENAI_API_KEY=sk-other\nDEBUG=1\nPORT=1\n",
    )
    terminal = Terminal(home, "import", ".env", "--replace", env=CHINESE)
    terminal.answer("导入 2 个密钥吗？ [y/N] ", "y")
    seen = terminal.end()
    assert "警告: .env 中有些设置不像密钥，未导入：DEBUG, PORT；--all 会一并导入" in seen
    assert {line.split()[0]: line.split()[-1] for line in seen.splitlines() if ".env:" in line} == {
        "huggingface/default": "存入",
        "openai/default": "替换",
    }
    assert "信息: 已导入 2 个密钥；" in seen


def test_a_rotation_that_nobody_began_is_said_so(home: VaultHome) -> None:
    shown = home.run("rotate", "openai", "--manual", "--dry-run", env=CHINESE).stdout.decode()
    assert shown.splitlines()[1].split()[2] == "未开始"


def test_where_keys_come_from_and_why_they_are_due_is_chinese(home: VaultHome) -> None:
    assert home.run("env", "--explain", env=CHINESE).stdout.decode().splitlines()[1].split()[-1] == "默认"
    home.run("edit", "openai", "--expires", "2020-01-01")
    assert home.run("rotate", "--status", env=CHINESE).stdout.decode().splitlines()[1].split()[1] == "已过期"
    assert "需要更换：openai/default (已过期)；" in Terminal(home, "env", env=CHINESE).end()
    todo = home.run("audit", "stale", env=CHINESE, code=7).stdout.decode().split("怎么办：\n")[1]
    assert "  密钥库：keyvault backup FILE\n" in todo


def test_how_a_rotation_ended_is_chinese(home: VaultHome) -> None:
    Terminal(home, "rotate", "openai", "--manual", "--no-open", env=CHINESE).press("的新密钥（不显示）：", "c")
    assert "openai/default：已中止\n" in home.run("rotate", "--abort", "openai", env=CHINESE).stderr.decode()


def test_a_group_without_its_command_says_so(home: VaultHome) -> None:
    assert home.run("shell", code=2).stderr == b"keyvault: error: missing command\nkeyvault: hint: keyvault shell --help\n"
    assert "缺少命令" in home.run("shell", env=CHINESE, code=2).stderr.decode()


def test_a_word_that_a_person_wrote_stays_as_it_is(home: VaultHome) -> None:
    home.run("edit", "openai", "--note", "unknown", "--tag", "state=valid")
    shown = home.run("show", "openai", env=CHINESE).stdout.decode()
    assert "标记 state  valid\n" in shown
    assert "备注        unknown\n" in shown


def test_what_programs_read_is_the_same_in_all_languages(home: VaultHome) -> None:
    for words in (
        ("list", "--json"),
        ("show", "openai", "--json"),
        ("env", "--format", "bash"),
        ("env", "--format", "json"),
        ("hook", "zsh"),
        ("--version",),
        ("snippet", "openai", "--lang", "python"),
    ):
        assert home.run(*words, env=CHINESE).stdout == home.run(*words, env={"LANG": "C"}).stdout
    json.loads(home.run("list", "--json", env=CHINESE).stdout)


@pytest.mark.parametrize(
    "locale", [{"LANG": "C"}, {"LANG": "zh_CN.GB18030"}, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, {"LANG": "", "LC_ALL": ""}]
)
def test_a_terminal_that_cannot_show_it_gets_english(home: VaultHome, locale: dict[str, str]) -> None:
    env = {"LC_ALL": ""} | locale
    shown = Terminal(home, "show", "opnai", env=env).end(3)
    assert shown.isascii()
    assert 'error: no key "opnai/default"' in shown
    assert home.run("--help", env=env).stdout.startswith(b"Usage: keyvault")
    assert home.run("list", env=env).stdout.startswith(b"KEY ")


def test_a_name_that_reads_like_a_text_of_ours_stays_a_name(home: VaultHome) -> None:
    folder = os.path.join(home.folder, "no keys yet")
    os.mkdir(folder)
    path = write(os.path.join(folder, "not set"), "A=b\n")
    done = home.run("import", "--undo", path, env=CHINESE, code=None)
    assert "no keys yet/not set" in done.stderr.decode()


def test_a_variable_called_like_a_label_of_ours_stays_as_it_is_called(home: VaultHome) -> None:
    home.run("add", "custom/x", "--stdin", "--env", "file", stdin=b"the value of x, which is long")
    assert "file  …long" in Terminal(home, "env", "custom/x", env=CHINESE).end()


def test_a_control_character_in_a_name_is_escaped_in_chinese_too(home: VaultHome) -> None:
    done = home.run("backup", os.path.join(home.folder, "a\x1b[31mb", "c"), env=CHINESE, code=1)
    assert b"\x1b" not in done.stderr
    assert "keyvault: 错误: 无法".encode() in done.stderr

from __future__ import annotations

import pytest

from keyvault.core.errors import InvalidInput
from keyvault.formats import load

# format, before, after A="new one" and C="3"
MERGES = [
    (
        "bash",
        "# keys\nexport A=old  # mine\n\nB='it is'\nexport PATH=\"$HOME/bin:$PATH\"\n# A=commented\n",
        "# keys\nexport A=$'new\\040one';  # mine\n\nB='it is'\nexport PATH=\"$HOME/bin:$PATH\"\n# A=commented\nexport C=3;\n",
    ),
    (
        "zsh",
        "A='one\ntwo'\nB=1\nA=\"$B\"; export A\n",
        "export A=$'new\\040one';\nB=1\nexport A=$'new\\040one';\nexport C=3;\n",
    ),
    (
        "sh",
        'A="$(printf %b \'x\\0040y_\')"; export A="${A%_}";\nexport MAP=1',
        'A="$(printf %b \'new\\0040one_\')"; export A="${A%_}";\nexport MAP=1\nexport C=3;\n',
    ),
    ("bash", "B=1 # it's\n  # A=1\nA=2\n", "B=1 # it's\n  # A=1\nexport A=$'new\\040one';\nexport C=3;\n"),
    ("bash", "# c\r\nA=1", "# c\r\nexport A=$'new\\040one';\nexport C=3;\n"),
    ("ksh", "alias x='A'\n", "alias x='A'\nexport A=$'new\\040one';\nexport C=3;\n"),
    (
        "fish",
        "# fish\nset -x A 'it\\'s' # mine\nset -gx B $A\nalias l 'ls -l'\n",
        "# fish\nset -gx A 'new one'; # mine\nset -gx B $A\nalias l 'ls -l'\nset -gx C '3';\n",
    ),
    (
        "powershell",
        "# profile\r\n$x = 1\r\n${env:A} = 'it''s' + [char]0x4e2d; # mine\r\n",
        "# profile\r\n$x = 1\r\n${env:A} = 'new one'; # mine\r\n${env:C} = '3';\r\n",
    ),
    (
        "cmd",
        ':: keys\r\n@echo off\r\nset "A=a%%b"\r\nSET "B=1"\r\n',
        ':: keys\r\n@echo off\r\n@set "A=new one"\r\nSET "B=1"\r\n@set "C=3"\r\n',
    ),
    (
        "nu",
        '# nu\n$env.A = "it\\"s" # mine\n$env.B = $"(date now)"\n'.replace('$"(date now)"', "1"),
        '# nu\n$env.A = "new one"; # mine\n$env.B = 1\n$env.C = "3";\n',
    ),
    (
        "r",
        "# R\nSys.setenv(A = 'x') # mine\nx <- \"A\"\n",
        '# R\nSys.setenv("A" = "new one"); # mine\nx <- "A"\nSys.setenv("C" = "3");\n',
    ),
    (
        "python",
        '"""Doc."""\nimport os\nos.environ["A"] = (\n    "x"\n)\nprint("A")\n',
        '"""Doc."""\nimport os\nos.environ["A"] = \'new one\'\nprint("A")\nos.environ["C"] = \'3\'\n',
    ),
    (
        "python",  # what is written to other variables is none of our business
        "import os\nos.environ.update(B='x')\nos.environ.pop('B')\nos.environ['A'] = os.fsdecode(b'x')\n",
        "import os\nos.environ.update(B='x')\nos.environ.pop('B')\nos.environ[\"A\"] = 'new one'\nos.environ[\"C\"] = '3'\n",
    ),
    ("r", "# R\r\nSys.setenv(A = 'x') # mine\r\n", '# R\r\nSys.setenv("A" = "new one"); # mine\r\nSys.setenv("C" = "3");\r\n'),
    ("nu", "# nu\r\n$env.A = `x` # mine\r\n", '# nu\r\n$env.A = "new one"; # mine\r\n$env.C = "3";\r\n'),
    (
        "python",
        'import os\r\nos.environ["A"] = (\r\n    "x"\r\n)\r\n',
        "import os\r\nos.environ[\"A\"] = 'new one'\r\nos.environ[\"C\"] = '3'\r\n",
    ),
    ("python", "import sys\n", "import sys\nimport os\nos.environ[\"A\"] = 'new one'\nos.environ[\"C\"] = '3'\n"),
    ("python", "import os as o\n", "import os as o\nimport os\nos.environ[\"A\"] = 'new one'\nos.environ[\"C\"] = '3'\n"),
    ("python", "x = 1", "x = 1\nimport os\nos.environ[\"A\"] = 'new one'\nos.environ[\"C\"] = '3'\n"),
    (
        "json",
        '{\n\t"A" : "x",\n\t"b": [1, {"A": 2}]\n}',
        '{\n\t"A" : "new one",\n\t"b": [1, {"A": 2}],\n\t"C": "3"\n}',
    ),
    ("json", '{"A":"x","A":"y"}\n', '{"A":"new one","A":"new one","C": "3"}\n'),
    ("json", "{ }\n", '{\n  "A": "new one",\n  "C": "3"\n}\n'),
    (
        "dotenv",
        "# keys\n\nexport A='x' # mine\nB=\"multi\nline\"\nA=y",
        "# keys\n\nexport A='new one' # mine\nB=\"multi\nline\"\nA='new one'\nC=3\n",
    ),
    ("dotenv", "\ufeffA=1\r\nB=2\r\n", "\ufeffA='new one'\r\nB=2\r\nC=3\r\n"),
    ("dotenv", "B=1\r\nA=#1\n", "B=1\r\nA='new one'\nC=3\r\n"),
    ("dotenv", 'A="x\\\ny" # c\n', "A='new one' # c\nC=3\n"),
    ("docker", "#c\r\nA=x\r\nB\r\n", "#c\r\nA=new one\r\nB\r\nC=3\r\n"),
    ("renviron", "#c\nA = ${B-x}\nR_LIBS=~/R", '#c\nA="new one"\nR_LIBS=~/R\nC="3"\n'),
    ("systemd", "; c\nA=\"x\ny\"\nB='z'\n", '; c\nA="new one"\nB=\'z\'\nC="3"\n'),
    # a backslash at the end of a line is a part of the value
    ("docker", "B=x\\\nA=1\n", "B=x\\\nA=new one\nC=3\n"),
    ("renviron", "B=x\\\nA=1\n", 'B=x\\\nA="new one"\nC="3"\n'),
    # a string ends where its syntax says, so what follows is an assignment
    ("systemd", "B='z\n# text\\'\nA=x # no comment\n", 'B=\'z\n# text\\\'\nA="new one"\nC="3"\n'),
    ("powershell", "$x = 'a`'\n${env:A} = 'x'\n", "$x = 'a`'\n${env:A} = 'new one';\n${env:C} = '3';\n"),
    ("nu", "let x = 'a\\'\n$env.A = `x`\n", 'let x = \'a\\\'\n$env.A = "new one";\n$env.C = "3";\n'),
    ("nu", "let x = a\\\n$env.A = 1\n", 'let x = a\\\n$env.A = "new one";\n$env.C = "3";\n'),
]
PAIRS = [("A", "new one"), ("C", "3")]


@pytest.mark.parametrize(("name", "before", "after"), MERGES)
def test_assignments_are_replaced_and_all_else_stays(name: str, before: str, after: str) -> None:
    assert load(name).merge(before, PAIRS) == (after, (), (), "")


def test_a_backslash_ends_no_string_of_csh() -> None:
    before = "echo 'a\\'; echo \"b\\\"\nsetenv A x\n"
    assert load("csh").merge(before, [("A", "new")]).text == before.replace("A x", "A 'new';")


@pytest.mark.parametrize(("name", "before", "after"), MERGES)
def test_merging_again_changes_nothing(name: str, before: str, after: str) -> None:
    assert load(name).merge(after, PAIRS).text == after


@pytest.mark.parametrize(("name", "before", "after"), MERGES)
def test_a_refused_value_leaves_its_assignment(name: str, before: str, after: str) -> None:
    merged = load(name).merge(before, [("A", "\0")])
    assert merged.text == before
    assert [refusal.variable for refusal in merged.refused] == ["A"]


# What has to do with A in a way that no editor of lines can be sure of: format, text, line
UNSAFE = [
    ("bash", "if x; then\n  export A=1\nfi\n", 2),
    ("bash", "export B=1 A=2\n", 1),
    ("bash", "x && A=1\n", 1),
    ("bash", "A+=x\n", 1),
    ("bash", "A=$(cmd)\n", 1),
    ("bash", "A=`cmd`\n", 1),
    ("bash", "A=1 command\n", 1),
    ("bash", "A=(1 2)\n", 1),
    ("bash", "A=1; unset A\n", 1),
    ("bash", "unset B A\n", 1),
    ("bash", "declare -r A\n", 1),
    ("bash", "unset B \\\n  A\n", 1),
    ("bash", "echo 'x\nA=1\n'\n", 1),
    ("bash", 'echo "x\nA=1\n"\n', 1),
    ("bash", "\n\ncat <<EOF\nA=1\nEOF\n", 3),
    ("bash", 'x="$(echo "\nA=1\n")"\n', 1),
    ("bash", "x=$'it\\'s'\nA=1\n", 1),
    ("bash", "echo 'open\n", 1),
    ("bash", "B=1\necho \\", 2),
    ("bash", "B=1\necho \\\n", 3),
    ("bash", "export A=1\r\nB=1\r\n", 1),
    ("fish", "set -U A 1 2\n", 1),
    ("fish", "set -e A\n", 1),
    ("fish", "set -e \\\n A\n", 1),
    ("fish", "if x\n  set -gx A 1\nend\n", 2),
    ("fish", "set -gx A (cmd)\n", 1),
    ("fish", "echo 'a\nset -gx A 1\n'\n", 1),
    ("fish", 'echo "a\\"\nset -gx A 1\n"\n', 1),
    ("fish", 'echo "$(echo "\nset -gx A 1\n")"\n', 1),
    ("powershell", "$x = 'a\n${env:A} = 1\n'\n", 1),
    ("powershell", '$x = "a`"\n${env:A} = 1\n"\n', 1),
    ("powershell", "$env:A = Get-Secret\n", 1),
    ("powershell", "$Env:a = 'x'\n", 1),
    ("powershell", "$x = @'\n${env:A} = 'x'\n'@\n", 1),
    ("powershell", "<#\n${env:A} = 'x'\n#>\n", 1),
    ("powershell", "[Environment]::SetEnvironmentVariable('A', 'x')\n", 1),
    ("powershell", "${env:A} = ‘x’\n", 1),
    ("cmd", "set A=1\r\n", 1),
    ("cmd", 'set "a=1"\r\n', 1),
    ("cmd", 'if x (\r\n  set "A=1"\r\n)\r\n', 2),
    ("cmd", 'set "A=1" : B\r\n', 1),
    ("cmd", 'echo ^\r\nset "A=1"\r\n', 1),
    ("nu", "load-env {A: 1}\n", 1),
    ("nu", "$env.A = (cmd)\n", 1),
    ("nu", "let x = r#'\n$env.A = 1\n'#\n", 1),
    ("nu", "let x = r#'\n'a\n$env.A = 1\n''#\n", 1),
    ("nu", 'let x = $"(\n"\n$env.A = 1\n")"\n', 1),
    ("nu", "let x = 'a\n$env.A = 1\n'\n", 1),
    ("nu", 'let x = "a\\"\n$env.A = 1\n"\n', 1),
    ("nu", "let x = `a\n$env.A = 1\n`\n", 1),
    ("csh", "setenv A `cmd`\n", 1),
    ("csh", "echo 'a\nsetenv A 1\n'\n", 1),
    ("csh", 'echo "a\nsetenv A 1\n"\n', 1),
    ("csh", "cat << E\nsetenv A 1\nE\n", 1),
    ("csh", "echo `date\nsetenv A 1\n`\n", 1),
    ("csh", "if (x) setenv A 1\n", 1),
    ("csh", "unsetenv A\n", 1),
    ("r", "Sys.setenv(\n  A = 'x')\n", 2),
    ("r", "x <- 'a\\'\nSys.setenv(A = 'x')\n'\n", 1),
    ("r", 'x <- "a\\"\nSys.setenv(A = 1)\n"\n', 1),
    ("r", 'x <- r"(\n"\nSys.setenv(A = 1)\n")"\n', 1),
    ("r", "x <- `a\nSys.setenv(A = 'x')\n`\n", 1),
    ("r", "Sys.setenv(A = paste0('x'))\n", 1),
    ("r", "x <- r\"(\nSys.setenv(A = 'x')\n)\"\n", 1),
    ("python", "import os\nos.environ.update(A='x')\n", 2),
    ("python", "import os\nos.environ.setdefault('A', 'x')\n", 2),
    ("python", "import os\nif 1:\n    os.environ['A'] = 'x'\n", 3),
    ("python", "import os\nos.environ['A'] = os.environ['B'] = 'x'\n", 2),
    ("python", "import os\nos.environ['A'] = f()\n", 2),
    ("python", "import os\nx = 1; os.environ['A'] = 'x'\n", 2),
    ("python", "import os\nos.environ['A'] = 'x'; y = 2\n", 2),
    ("python", "import os\ndel os.environ['A']\n", 2),
    ("python", "\n\ndef\n", 3),
    ("json", "[1]\n", 1),
    ("json", '{\n"A": 1,\n}', 3),
    ("json", '{"A": 1} x', 1),
    ("json", '{"A": 1}\nx\n', 2),
    ("json", "\n[1]\n", 2),
    ("json", "[" * 100_000, 1),
    ("json", '{"A":' + "[" * 100_000, 1),
    ("json", '{"A": \n\n', 3),
    ("json", "{1: 2}", 1),
    ("dotenv", "A\n", 1),
    ("dotenv", "B=1\nA: x\n", 2),
    ("dotenv", "A='open\n", 1),
    ("dotenv", "B=`x\nA=1\n`\n", 1),
    ("dotenv", "B='x\nA=1\n' y\n", 1),
    ("dotenv", "'A'=1\n", 1),
    ("docker", " A=1\n", 1),
    ("docker", "B=1\nA\n", 2),
    ("renviron", "  A=1\n", 1),
    ("systemd", " A=1\n", 1),
    ("systemd", 'B=x"y"\nA=1\n', 1),
    ("systemd", "A=x\\\ny\n", 1),
    ("systemd", "# x \\\nA=1\n", 1),
    ("systemd", "B='\nA=1\n", 1),
]


@pytest.mark.parametrize(("name", "text", "line"), UNSAFE)
def test_what_cannot_be_replaced_safely_is_refused_with_its_line(name: str, text: str, line: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(name).merge(text, [("A", "new")])
    assert caught.value.message.startswith(f"line {line} ")
    assert caught.value.hint


@pytest.mark.parametrize(("name", "text"), sorted({(name, text) for name, text, _ in UNSAFE if name not in ("python", "json")}))
def test_the_same_without_the_variable_in_it_is_left_alone_or_refused(name: str, text: str) -> None:
    try:
        merged = load(name).merge(text, [("OTHER", "new")])
    except InvalidInput:
        return
    assert merged.text.startswith(text)


@pytest.mark.parametrize("dialect", ["python", "node", "compose", "sh"])
def test_every_dialect_replaces_what_it_wrote(dialect: str) -> None:
    form = load("dotenv", dialect)
    value = 'it\'s "x" and $y' if dialect == "node" else 'it\'s "x"\nand $y'
    first = form.merge("# c\n", [("A", value), ("B", "1")])
    assert first.refused == ()
    second = form.merge(first.text, [("B", "a b"), ("A", "z")])
    assert second.text == "# c\nA=z\nB='a b'\n"


def test_an_unchanged_value_leaves_the_file_unchanged_when_keyvault_wrote_it() -> None:
    for name in (
        "bash",
        "sh",
        "zsh",
        "ksh",
        "fish",
        "powershell",
        "nu",
        "r",
        "python",
        "json",
        "dotenv",
        "docker",
        "renviron",
        "systemd",
    ):
        form = load(name)
        text = form.merge("", [("A", "a b"), ("B", "it's"), ("C", "中")]).text
        assert form.merge(text, [("C", "中"), ("B", "it's"), ("A", "a b")]).text == text, name

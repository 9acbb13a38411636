"""What the agent bears: requests a second, how long the slowest wait, and memory with a large vault."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from clean_install import Install

CLIENTS = 50
WANTED = 2000  # requests a second
_LARGE_CALLS = ("env --format bash", "list", "which KEY_3", "get vendor2/key-2 --reveal")


class Load(NamedTuple):
    """Requests a second, median and 99th percentile of the seconds that they took, and the cores that both ends used."""

    rate: float
    p50: float
    p99: float
    agent_cores: float
    load_cores: float


def load(install: Install, home: dict[str, str], folder: str, seconds: float, rate: float) -> Load:
    """So many clients that ask for `env`: `rate` times a second in all, or, where it is 0, each as soon as it is answered."""
    program = os.path.join(folder, "agent_load")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "agent_load.c")
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    told = status(install, home)
    about = "from keyvault.agent import client; import os; print(client.socket_path(os.environb).decode())"
    done = subprocess.run([install.python, "-I", "-c", about], env=home, stdout=subprocess.PIPE, text=True, check=True)
    before = _processor_seconds(told["pid"])
    words = [program, done.stdout.strip(), str(CLIENTS), str(seconds), str(rate)]
    said = subprocess.run(words, input=_request(["env", "--format", "bash"], home), stdout=subprocess.PIPE, check=True).stdout
    used = (_processor_seconds(told["pid"]) - before) / seconds
    found = json.loads(said)
    return Load(found["rate"], found["p50"], found["p99"], used, found["load"])


def peak_memory(install: Install, home: dict[str, str]) -> int:
    """The most that the agent of a large vault ever held, after it was started and served every kind of call."""
    calls = [call.split() for call in _LARGE_CALLS * 2]
    for words in calls:
        subprocess.run([install.keyvault, *words], env=home, stdout=subprocess.DEVNULL, check=True)
    told = status(install, home)
    if told["served"] != len(calls):
        raise SystemExit(f"the agent served {told['served']} of {len(calls)} calls")
    with open(f"/proc/{told['pid']}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def status(install: Install, home: dict[str, str]) -> dict[str, int]:
    """What the agent says of itself."""
    done = subprocess.run([install.keyvault, "status", "--json"], env=home, stdout=subprocess.PIPE, check=True)
    told: dict[str, int] = json.loads(done.stdout)
    return told


def _request(words: Sequence[str], home: dict[str, str]) -> bytes:
    """As a client sends it, with an environment as large as that of a desktop's shell."""
    environment = home | {f"SOME_VARIABLE_{number}": "/of/the/usual/length" for number in range(50)}
    fields = ["1", "call", "/", "000,0", str(len(words)), *words, *(f"{name}={value}" for name, value in environment.items())]
    body = "\0".join(fields).encode()
    return len(body).to_bytes(4, "big") + body


def _processor_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

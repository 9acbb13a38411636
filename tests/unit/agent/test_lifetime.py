"""Limits, on clocks that the test moves."""

from __future__ import annotations

import pytest

from keyvault.agent.lifetime import USUAL, Lifetime, Limits, span, with_sleep
from keyvault.core.errors import InvalidInput


class Machine:
    """Two clocks: one that counts sleep, one that does not."""

    def __init__(self) -> None:
        self.boot = 1000.0
        self.monotonic = 400.0

    def run(self, seconds: float) -> None:
        self.boot += seconds
        self.monotonic += seconds

    def sleep(self, seconds: float) -> None:
        self.boot += seconds

    def life(self, limits: Limits) -> Lifetime:
        return Lifetime(limits, lambda: self.boot, lambda: self.monotonic)


def test_it_ends_after_its_time_whether_the_machine_sleeps_or_not() -> None:
    for pass_time in (Machine.run, Machine.sleep):
        machine = Machine()
        life = machine.life(Limits(100))
        pass_time(machine, 99.9)
        life.asked()
        assert life.over() == ""
        pass_time(machine, 0.1)
        assert life.over() == "its time is up"


def test_idle_time_counts_from_the_last_request_and_sleep_counts() -> None:
    machine = Machine()
    life = machine.life(Limits(1000, idle=10))
    for _ in range(5):
        machine.run(9)
        assert life.over() == ""
        life.asked()
    machine.sleep(10)
    assert life.over() == "nobody asked for long"


def test_sleep_ends_it_only_where_it_is_set() -> None:
    for on_suspend, told in ((True, "the machine slept"), (False, "")):
        machine = Machine()
        life = machine.life(Limits(1000, on_suspend=on_suspend))
        machine.run(500)
        machine.sleep(2)
        assert life.over() == ""  # as far as clocks may drift
        machine.sleep(0.5)
        assert life.over() == told


def test_what_is_left() -> None:
    machine = Machine()
    life = machine.life(Limits(1000, idle=100))
    machine.run(30)
    assert life.left() == {"expires_in": 970, "idle_expires_in": 70}
    assert machine.life(Limits(USUAL)).left() == {"expires_in": USUAL, "idle_expires_in": None}


def test_the_real_clock_does_not_stand_still() -> None:
    before = with_sleep()
    assert with_sleep() >= before > 0


@pytest.mark.parametrize(("text", "seconds"), [("8h", 28800), ("90min", 5400), ("1min", 60), ("2d", 172800)])
def test_spans(text: str, seconds: int) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0h", "0min", "min", "-1min", "1.5h", "8", "h", "8 h", "367d", "99999999999min", "9" * 5000 + "min"]
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(InvalidInput):
        span(text)

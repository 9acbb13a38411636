from __future__ import annotations

import pytest

from keyvault.audit.findings import BAD, Age, Stale
from keyvault.audit.policy import Limits, Policy
from keyvault.audit.stale import BAD_REASONS, REASONS, Clocks, of_keys
from keyvault.core.clock import DAY
from keyvault.vault.answers import Amount, Balance, Checked
from keyvault.vault.keys import ApiKey, Version
from keyvault.vault.rotating import Rotation
from keyvault.vault.usage import Used

NOW = 1_800_000_000 - 1_800_000_000 % DAY
USUAL = Policy()
CLOCKS = Clocks(NOW, 30 * DAY)


def ago(days: int) -> int:
    return NOW - days * DAY


def key(ref: str = "acme/default", *, days: int = 0, value: str = "", **said: object) -> ApiKey:
    """A key that has been in the vault for some days."""
    version = Version("v" + ref, ago(days), "b", value or ref)
    made = ApiKey("id of " + ref, ref, {"ACME_KEY": ""}, (version,), version.id, ago(days), ago(days), (1, "r"))
    return made._replace(**said)  # type: ignore[arg-type]


def answered(one: ApiKey, verdict: str, days: int = 0) -> ApiKey:
    return one._replace(checked=Checked(one.current, ago(days), verdict, 200, ""))


def reasons(*keys: ApiKey, policy: Policy = USUAL, used: dict[str, Used] | None = None) -> list[str]:
    return [one.reason for one in of_keys(keys, used or {}, policy, CLOCKS)[0]]


def only(*keys: ApiKey, policy: Policy = USUAL, used: dict[str, Used] | None = None) -> Stale:
    (found,) = of_keys(keys, used or {}, policy, CLOCKS)[0]
    return found


def test_a_new_key_has_nothing_bad_about_it_whatever_its_vendor() -> None:
    from keyvault.providers import catalogue

    keys = [key(f"{name}/default") for name in (*catalogue.ids(), "acme")]
    found, ages = of_keys(keys, {}, Policy(), CLOCKS)
    assert {one.severity for one in found} == {"advice"}
    assert {one.reason for one in found} == {"unchecked"}
    assert all(age.days == 0 and not age.known for age in ages)


def test_the_reasons_are_frozen() -> None:
    assert BAD_REASONS == ("leaked", "expired", "invalid", "overdue")
    assert set(REASONS) == {
        *("overdue", "expired", "expiring", "leaked", "invalid", "no_credit", "unchecked", "unused", "never_used", "duplicate"),
        *("weak_mode", "no_recovery", "no_backup", "rotation_stuck"),
    }


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"leaked": NOW}, "leaked"),
        ({"expires": NOW}, "expired"),
        ({"expires": ago(400)}, "expired"),
        ({"rotate_after": 10 * DAY, "created": ago(10)}, "overdue"),
    ],
)
def test_what_is_bad_is_told_with_what_to_type(said: dict[str, int], reason: str) -> None:
    found = only(key(**said))
    assert (found.reason, found.severity) == (reason, BAD)
    assert found.then.startswith("keyvault rotate acme/default")


@pytest.mark.parametrize("verdict", ["invalid", "invalid_here", "refused", "disabled"])
def test_a_value_that_its_vendor_turned_down_is_bad(verdict: str) -> None:
    assert only(answered(key(), verdict, days=500)).reason == "invalid"


@pytest.mark.parametrize("verdict", ["valid", "restricted", "rate_limited", "unknown", "unreachable"])
def test_other_answers_are_not(verdict: str) -> None:
    assert reasons(answered(key("openai/default"), verdict)) == []


def test_what_was_said_of_a_former_value_does_not_count() -> None:
    former = key("openai/default", checked=Checked("another", ago(1), "invalid", 401, ""))
    assert reasons(former) == ["unchecked"]


@pytest.mark.parametrize(("days", "told"), [(1, ["expiring"]), (30, ["expiring"]), (31, [])])
def test_an_end_within_the_span_is_told_ahead(days: int, told: list[str]) -> None:
    assert reasons(key(expires=NOW + days * DAY)) == told


def test_the_end_that_is_near_is_told_with_its_day() -> None:
    found = only(key(expires=NOW + DAY))
    assert found.severity == "advice"
    assert found.detail == "on 2027-01-16, in 1 day"


def test_the_age_of_a_key_whose_creation_nobody_said_is_at_least_its_time_here() -> None:
    policy = Policy(Limits(rotate_after=90 * DAY, unused_after=0))
    found, ages = of_keys([key(days=120), key("acme/b", days=1, created=ago(95))], {}, policy, CLOCKS)
    assert [one.detail for one in found] == [
        "95 days old, to be replaced after 90",
        "at least 120 days old, to be replaced after 90",
    ]
    assert ages == [Age("acme/default", 120, False, 90), Age("acme/b", 95, True, 90)]


def test_a_limit_is_the_keys_own_then_the_persons_for_the_vendor_then_for_all_then_the_vendors() -> None:
    aws = key("aws/default", created=ago(100))

    def limit(one: ApiKey, policy: Policy) -> int | None:
        return of_keys([one], {}, policy, CLOCKS)[1][0].limit

    assert limit(aws, Policy()) == 90
    assert limit(aws, Policy(Limits(rotate_after=200 * DAY))) == 200
    assert limit(aws, Policy(Limits(rotate_after=200 * DAY), {"aws": Limits(rotate_after=50 * DAY)})) == 50
    assert limit(aws, Policy(Limits(rotate_after=200 * DAY), {"openai": Limits(rotate_after=50 * DAY)})) == 200
    assert limit(aws._replace(rotate_after=7 * DAY), Policy(vendors={"aws": Limits(rotate_after=50 * DAY)})) == 7
    assert limit(aws, Policy(vendors={"aws": Limits(rotate_after=0)})) is None
    assert limit(aws, Policy(Limits(rotate_after=0))) is None
    assert limit(key(), Policy()) is None


def test_the_two_clocks_of_use_are_told_apart() -> None:
    old = key(days=400)
    bulk = only(old, used={old.id: Used(None, ago(1))})
    assert bulk.reason == "never_used"
    assert "exported with others on" in bulk.detail
    named = only(old, used={old.id: Used(ago(200), ago(1))})
    assert named.reason == "unused"
    assert "last by name on this machine on 2026-06-29; exported with others on 2027-01-14" in named.detail
    assert reasons(old, used={old.id: Used(ago(179), None)}) == []


@pytest.mark.parametrize(("days", "told"), [(29, []), (30, ["never_used"])])
def test_a_new_key_need_not_have_been_used(days: int, told: list[str]) -> None:
    assert reasons(key(days=days)) == told


def test_what_is_unused_and_unchecked_follows_the_policy() -> None:
    old = answered(key("openai/default", days=400), "valid", days=91)
    used = {old.id: Used(ago(20), None)}
    assert reasons(old, used=used) == ["unchecked"]
    assert reasons(old, used=used, policy=Policy(Limits(unchecked_after=92 * DAY))) == []
    assert reasons(old, used=used, policy=Policy(Limits(unchecked_after=0))) == []
    assert reasons(old, used=used, policy=Policy(Limits(unchecked_after=0, unused_after=20 * DAY))) == ["unused"]
    assert reasons(old, policy=Policy(Limits(unchecked_after=0, unused_after=0))) == []


def test_a_key_that_nobody_can_be_asked_about_is_not_called_unchecked() -> None:
    assert reasons(key("acme/x")) == []
    assert reasons(key("acme/x", base_url="https://acme.test/v1")) == ["unchecked"]


def test_an_empty_account_is_told_by_an_answer_or_by_its_balance() -> None:
    def with_left(*amounts: str) -> ApiKey:
        one = key()
        return one._replace(balance=Balance(one.current, NOW, tuple(Amount("a", "left", a, "USD") for a in amounts)))

    assert only(answered(key("openai/default"), "no_credit")).then == "top it up at https://platform.openai.com/api-keys"
    assert reasons(with_left("0.00")) == ["no_credit"]
    assert reasons(with_left("-3", "0")) == ["no_credit"]
    assert reasons(with_left("0", "1")) == reasons(with_left("")) == reasons(with_left("what?")) == []


def test_keys_of_one_value_are_told_once() -> None:
    keys = [key("a/x", value="1"), key("b/x", value="1"), key("c/x", value="1"), key("d/x", value="2")]
    found = only(*keys)
    assert (found.ref, found.reason, found.detail) == ("a/x", "duplicate", "the same value as b/x, c/x")


def test_one_value_in_several_variables_is_told() -> None:
    both = key(variables={"HF_TOKEN": "", "HF_API_KEY": "", "REGION": "region"}, fields={"region": False})
    assert only(both).detail == "one value in 2 variables: HF_API_KEY, HF_TOKEN"


@pytest.mark.parametrize(
    ("at", "promoted", "grace", "told"),
    [(0, 0, 0, []), (1, 0, 0, ["rotation_stuck"]), (3, 3, 7 * DAY, []), (9, 9, 7 * DAY, ["rotation_stuck"])],
)
def test_a_rotation_is_stuck_a_day_after_it_could_have_gone_on(at: int, promoted: int, grace: int, told: list[str]) -> None:
    rotation = Rotation("0" * 16, "promoted" if promoted else "pending", ago(at), ago(at), "manual", "v", grace=grace)
    assert reasons(key(rotation=rotation._replace(promoted=ago(promoted) if promoted else 0))) == told


def test_a_key_that_is_being_replaced_already_is_gone_on_with() -> None:
    under_way = key(leaked=NOW, rotation=Rotation("0" * 16, "pending", NOW, NOW, "manual", "v"))
    assert only(under_way).then == "keyvault rotate --resume acme/default --leaked"


def test_the_gravest_comes_first() -> None:
    keys = [key("b/x", expires=NOW + DAY), key("a/x", leaked=NOW), answered(key("c/x"), "invalid")]
    assert reasons(*keys) == ["leaked", "invalid", "expiring"]


def test_a_clock_that_was_set_back_makes_no_negative_age() -> None:
    assert of_keys([key(days=-5)], {}, Policy(), CLOCKS)[1][0].days == 0

"""Rotations that go wrong in the ways vendors do: lost answers, lies, refusals, odd pages; each in this process, so quick."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from internet import Asked, Internet, Reply, as_json
from people import text_of, write
from vaults import VaultHome, add_key
from vendor_keys import AFTER, BEFORE, LIE, REFUSE, Cloudflare, GitLab, Iam, Key, OpenAi, OpenRouter, Perplexity, Vendor, Vercel
from vendors import reached

from keyvault.core.clock import DAY
from keyvault.core.errors import AlreadyExists, KeyvaultError, Locked, UnsupportedFormat
from keyvault.core.secret import Secret
from keyvault.providers import catalogue
from keyvault.providers.schema import Provider
from keyvault.rotation import journal
from keyvault.rotation.context import CLOSED, STUCK, UNANSWERED, WAITING, Options, Outcome
from keyvault.rotation.journal import Overtaken
from keyvault.rotation.schemes import scheme_for
from keyvault.rotation.schemes.base import MANUAL, ROLL, Credential, Job, Refused, Unclear
from keyvault.rotation.workflow import Workflow
from keyvault.vault import changes
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.vault import Vault

AT = 1_790_000_000
ADMIN = "sk-or-v1-" + "a" * 64
OLD = "sk-or-v1-" + "0123456789abcdef" * 4
PAGE = Reply(200, "<!DOCTYPE html><html>sign in</html>", {"Content-Type": "text/html"})
BUSY = as_json(429, {"error": {"message": "too many requests"}})
UNREADABLE = [Reply(200, '{"key": "sk-or-v1-'), Reply(200, "[" * 200_000), Reply(200, '{"key": "%s"}' % ("k" * 300_000))]
NO = as_json(403, {"error": {"message": "no"}})


class Person:
    """Somebody who brings `value`, if any, agrees to nothing, and may have `revoked` the old one. `heard`: what was told."""

    def __init__(self, value: str = "") -> None:
        self.value = value
        self.heard: list[str] = []
        self.pauses: list[float] = []
        self.revoked = False

    @property
    def text(self) -> str:
        return "\n".join(self.heard)

    def tell(self, text: str) -> None:
        self.heard.append(text)

    warn = tell

    def new_value(self, provider: Provider | None, ref: str) -> str:
        if not self.value:
            raise Locked("there is nobody to ask")
        return self.value

    def new_part(self, ref: str, field: str) -> str:
        return ""

    def revoked_by_hand(self, provider: Provider | None, ref: str) -> bool:
        return self.revoked

    def agree(self, question: str, *, grave: bool) -> bool:
        self.heard.append(question)
        return False

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Stage:
    """A vault with one key that is being rotated."""

    def __init__(self, home: VaultHome, vault: Vault) -> None:
        self.home, self.vault = home, vault
        self.person = Person()
        self.ref = ""

    def begin(self, ref: str, *, admin: str = "", grace: int = 0, leaked: bool = False, scheme: str = "by request") -> None:
        self.ref = ref
        journal.begin(self.vault, ref, scheme, AT, admin=admin, grace=grace, leaked=leaked)

    def flow(self, *, insist: bool = False, hooks: tuple[tuple[str, ...], ...] = ()) -> Workflow:
        return Workflow(self.vault, self.ref, self.person, Options(self.home.state, insist, hooks))

    def run(self) -> Outcome:
        return self.flow().run()

    @property
    def key(self) -> ApiKey:
        return self.vault.get(self.ref)

    @property
    def step(self) -> str:
        return self.key.rotation.step if self.key.rotation else ""

    @property
    def value(self) -> str:
        return self.vault.values(self.key)[VALUE_FIELD]

    @property
    def last(self) -> str:
        return self.key.rotations[-1].outcome


@pytest.fixture
def stage(tmp_path: Path, net: Internet) -> Iterator[Stage]:
    home = VaultHome(str(tmp_path / "home"))
    os.mkdir(home.folder)
    vault = home.create()
    with reached(net):
        yield Stage(home, vault)
    vault.store.close()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> dict[str, int | str]:
    """The clock, as it is set: seconds, the run of the machine, and seconds in it."""
    clock: dict[str, int | str] = {"now": AT, "boot": "one", "up": 1000}
    monkeypatch.setattr("keyvault.core.clock.now", lambda: clock["now"])
    monkeypatch.setattr("keyvault.core.clock.uptime", lambda: (clock["boot"], clock["up"]))
    return clock


def saying(vendor: Vendor, says: Callable[[Asked], Reply | None]) -> None:
    """From now on the vendor answers what `says` returns; where that is None, as ever."""
    ever = type(vendor).answer
    vendor.answer = lambda asked: says(asked) or ever(vendor, asked)  # type: ignore[method-assign]


def as_ever(vendor: Vendor) -> None:
    del vendor.answer


def is_check(asked: Asked) -> bool:
    return asked.path == "/api/v1/key"


@pytest.fixture
def openrouter(stage: Stage, net: Internet) -> OpenRouter:
    """OpenRouter, which keeps the key of the vault and one more."""
    vendor = OpenRouter(net, ADMIN)
    vendor.add(OLD)
    vendor.add("sk-or-v1-" + "b" * 64)
    add_key(stage.vault, "openrouter/default", OLD, "OPENROUTER_API_KEY")
    add_key(stage.vault, "openrouter/management", ADMIN, "OPENROUTER_MANAGEMENT_KEY")
    return vendor


def begin(stage: Stage, *, grace: int = 0, leaked: bool = False) -> None:
    stage.begin("openrouter/default", admin="openrouter/management", grace=grace, leaked=leaked)


def new_keys(vendor: Vendor) -> list[Key]:
    return [key for key in vendor.alive if key.name.startswith("keyvault-")]


# -- the vendor gives the same key a new value, and the answer is lost


@pytest.fixture
def gitlab(stage: Stage, net: Internet) -> GitLab:
    vendor = GitLab(net)
    vendor.add("glpat-" + "0" * 20)
    add_key(stage.vault, "gitlab/default", "glpat-" + "0" * 20, "GITLAB_TOKEN")
    stage.begin("gitlab/default")
    return vendor


def test_a_value_that_was_lost_on_the_way_is_replaced_by_hand(stage: Stage, gitlab: GitLab) -> None:
    gitlab.faults[1] = AFTER
    with pytest.raises(Unclear):
        stage.run()
    assert stage.step == "creating"
    with pytest.raises(Locked):
        stage.run()
    assert "that value is known to nobody, and the old one is dead" in stage.person.text
    assert gitlab.changes == 1, "it is not asked for a second time"
    assert stage.value == "glpat-" + "0" * 20
    new = "glpat-" + "1" * 20
    gitlab.add(new)
    stage.person = Person(new)
    assert stage.run().state == CLOSED
    assert (stage.value, stage.last) == (new, "done")


def test_a_new_value_is_asked_for_again_only_while_the_old_one_is_seen_to_work(stage: Stage, gitlab: GitLab) -> None:
    gitlab.faults[1] = BEFORE
    with pytest.raises(Unclear):
        stage.run()
    saying(gitlab, lambda asked: BUSY if asked.method == "GET" else None)
    outcome = stage.run()
    assert outcome.state == STUCK
    assert "nobody can say whether the old value still works" in outcome.why
    assert gitlab.changes == 1
    as_ever(gitlab)
    assert stage.run().state == CLOSED
    assert [key.value for key in gitlab.alive] == [stage.value]


def test_what_the_vendor_was_asked_to_change_in_place_cannot_be_aborted(stage: Stage, gitlab: GitLab) -> None:
    gitlab.faults[1] = AFTER
    with pytest.raises(Unclear):
        stage.run()
    with pytest.raises(AlreadyExists, match="cannot be taken back"):
        stage.flow().abort()
    assert stage.step == "creating"


def test_a_token_goes_to_no_host_that_is_not_asked_over_tls(stage: Stage, net: Internet) -> None:
    with stage.vault.transaction("add") as tx:
        details = {"variables": {"GITLAB_TOKEN": ""}, "fields": {"host": False}}
        changes.add(tx, "gitlab/own", {"": "glpat-" + "0" * 20, "host": "http://git.example"}, details, AT)
    stage.begin("gitlab/own")
    with pytest.raises(Refused, match="the field host is no URL"):
        stage.run()
    assert net.asked == []
    assert (stage.step, stage.last) == ("", "refused")


def test_kinds_of_keys_that_the_vendor_replaces_otherwise_are_brought_by_hand() -> None:
    provider = catalogue.load("cloudflare")
    assert scheme_for(provider, "cfut_" + "0" * 48).makes == ROLL
    assert scheme_for(provider, "cfat_" + "0" * 48).makes == MANUAL


# -- the vendor says no, or nothing that can be read


@pytest.mark.parametrize("listing", [None, NO, PAGE, as_json(200, {"data": "many"}), Reply(200, '{"data": [')])
def test_a_refusal_is_not_believed_where_the_key_was_made_all_the_same(
    stage: Stage, openrouter: OpenRouter, listing: Reply | None
) -> None:
    begin(stage)

    def says(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            OpenRouter.answer(openrouter, asked)
            return NO
        return listing if asked.path.startswith("/api/v1/keys?") and openrouter.changes else None

    saying(openrouter, says)
    with pytest.raises(Refused, match="the key that was sent may not do this"):
        stage.run()
    assert stage.value == OLD
    if listing is None:
        assert (stage.step, stage.last, new_keys(openrouter)) == ("", "refused", [])
    elif listing is NO:  # who may not make keys may not list them
        assert (stage.step, stage.last) == ("", "refused")
    else:
        assert stage.step == "creating", "it has to be looked at again"
        as_ever(openrouter)
        assert stage.run().state == CLOSED
        assert [key.value for key in new_keys(openrouter)] == [stage.value]


def test_after_a_refusal_nothing_is_deleted_while_the_present_value_is_in_doubt(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)

    def says(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            OpenRouter.answer(openrouter, asked)
            return NO
        return BUSY if is_check(asked) else None

    saying(openrouter, says)
    with pytest.raises(Refused):
        stage.run()
    assert stage.step == "creating"
    assert len(new_keys(openrouter)) == 1
    as_ever(openrouter)
    assert stage.run().state == CLOSED
    assert [key.value for key in new_keys(openrouter)] == [stage.value]


def test_a_vendor_that_is_not_reached_was_asked_for_nothing(stage: Stage, openrouter: OpenRouter, net: Internet) -> None:
    begin(stage)
    net.refuse_connect.add("openrouter.ai")
    with pytest.raises(Refused, match=r"openrouter\.ai was not reached"):
        stage.run()
    assert (stage.step, stage.last, stage.value) == ("", "refused", OLD)


@pytest.mark.parametrize("reply", [as_json(503, {}), as_json(302, {}), PAGE, *UNREADABLE])
def test_an_answer_that_tells_nothing_leaves_it_open_and_the_next_run_makes_one_key(
    stage: Stage, openrouter: OpenRouter, reply: Reply
) -> None:
    begin(stage)
    saying(openrouter, lambda asked: reply if asked.method == "POST" and OpenRouter.answer(openrouter, asked) else None)
    with pytest.raises(Unclear):
        stage.run()
    assert (stage.step, stage.value) == ("creating", OLD)
    assert openrouter.changes == 1, "what makes a key is not sent twice"
    as_ever(openrouter)
    assert stage.run().state == CLOSED
    assert [key.value for key in new_keys(openrouter)] == [stage.value]
    assert openrouter.by_value(OLD) is None


def test_a_key_whose_rights_the_vendor_does_not_tell_is_not_replaced(stage: Stage, openrouter: OpenRouter) -> None:
    stranger = "sk-or-v1-" + "c" * 64
    add_key(stage.vault, "openrouter/other", stranger, "OTHER")
    stage.begin("openrouter/other", admin="openrouter/management")
    with pytest.raises(Refused, match="could not get the same rights"):
        stage.run()
    assert "the vendor does not tell which key openrouter/other is" in stage.person.text
    assert (stage.step, stage.last) == ("", "refused")
    assert openrouter.changes == 0


def test_of_two_keys_that_look_alike_none_is_revoked_on_a_guess(stage: Stage, net: Internet) -> None:
    vendor = OpenAi(net, "sk-admin-" + "a" * 60)
    old, alike = ("sk-proj-aaaa" + letter * 70 + "T3BlbkFJ" + "b" * 74 for letter in "xy")
    vendor.add(old)
    other = vendor.add(alike)
    add_key(stage.vault, "openai/default", old, "OPENAI_API_KEY")
    with stage.vault.transaction("add") as tx:
        details = {"variables": {"OPENAI_ADMIN_KEY": ""}, "fields": {"project_id": False}}
        changes.add(tx, "openai/admin", {"": vendor.admin, "project_id": "proj_1"}, details, AT)
    stage.begin("openai/default", admin="openai/admin")
    outcome = stage.run()
    assert outcome.state == STUCK
    assert "revoke the old value at https://" in outcome.why
    assert "it will have to be revoked by hand" in stage.person.text
    assert vendor.by_value(old)
    assert other.alive
    vendor.kill(next(key for key in vendor.alive if key.value == old))
    assert stage.run().state == CLOSED
    assert vendor.by_value(stage.value)


def test_a_list_that_does_not_end_is_given_up(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    entry = {"hash": "aa", "name": "other", "label": "sk-or-v1-999...999"}
    saying(openrouter, lambda asked: as_json(200, {"data": [entry]}) if asked.path.startswith("/api/v1/keys?") else None)
    with pytest.raises(Unclear, match="does not end"):
        stage.run()
    assert stage.step == "begun"


# -- undoing it


def test_an_abort_deletes_no_key_that_may_be_all_there_is(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    openrouter.faults[1] = AFTER
    with pytest.raises(Unclear):
        stage.run()
    openrouter.kill(next(key for key in openrouter.alive if key.value == OLD))
    outcome = stage.flow().abort()
    assert outcome.state == STUCK
    assert "nothing was deleted" in outcome.then
    assert len(new_keys(openrouter)) == 1
    assert stage.flow(insist=True).abort().state == CLOSED
    assert (new_keys(openrouter), stage.last) == ([], "aborted")


def test_an_abort_that_was_cut_off_goes_on(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    openrouter.faults = {1: AFTER, 2: LIE, 3: BEFORE, 4: BEFORE, 5: BEFORE}
    with pytest.raises(Unclear):
        stage.run()
    saying(openrouter, lambda asked: as_json(503, {}) if asked.method == "DELETE" else None)
    openrouter.faults = {}
    with pytest.raises(Unclear):
        stage.flow().abort()
    assert stage.step == "aborting"
    as_ever(openrouter)
    assert stage.flow().abort().state == CLOSED
    assert (new_keys(openrouter), stage.value, stage.last) == ([], OLD, "aborted")


def test_where_no_key_can_be_listed_an_abort_says_what_may_be_left(stage: Stage, net: Internet) -> None:
    vendor, old = Perplexity(net), "pplx-" + "0" * 48
    vendor.add(old)
    add_key(stage.vault, "perplexity/default", old, "PERPLEXITY_API_KEY")
    stage.begin("perplexity/default")
    vendor.faults[1] = AFTER
    with pytest.raises(Unclear):
        stage.run()
    name = stage.key.rotation.name if stage.key.rotation else ""
    assert stage.flow().abort().state == CLOSED
    assert f"a key called {name} may be at the vendor; delete it there" in stage.person.text
    assert vendor.by_value(old)


def test_a_value_that_was_brought_by_hand_still_works_after_an_abort_and_that_is_said(
    stage: Stage, openrouter: OpenRouter
) -> None:
    new = "sk-or-v1-" + "d" * 64
    stage.begin("openrouter/default", scheme="manual")
    stage.person = Person(new)  # which the vendor does not know
    assert stage.run().state == STUCK
    assert stage.step == "pending"
    assert stage.flow().abort().state == CLOSED
    assert "works at the vendor until you revoke it there" in stage.person.text
    assert stage.value == OLD


def test_the_old_value_is_put_back_only_while_it_works_and_not_where_it_leaked(
    stage: Stage, openrouter: OpenRouter, now: dict[str, int | str]
) -> None:
    begin(stage, grace=DAY)
    assert stage.run().state == WAITING
    new = stage.value
    saying(openrouter, lambda asked: BUSY if is_check(asked) else None)
    with pytest.raises(KeyvaultError, match="is not known to work"):
        stage.flow().rollback()
    as_ever(openrouter)
    journal.amend(stage.vault, stage.key, leaked=True)
    with pytest.raises(KeyvaultError, match="has leaked"):
        stage.flow().rollback()
    assert stage.value == new
    openrouter.dying = 10**6
    assert stage.run().state == STUCK  # revoked, says the vendor, and it still works
    with pytest.raises(AlreadyExists, match="was revoked"):
        stage.flow(insist=True).rollback()


def test_a_step_of_a_newer_keyvault_is_not_guessed_at(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    key = stage.key
    assert key.rotation
    with stage.vault.transaction("newer") as tx:
        tx.put(key._replace(rotation=key.rotation._replace(step="escrowed")))
    with pytest.raises(UnsupportedFormat, match="a step that this keyvault does not know"):
        stage.run()
    assert openrouter.changes == 0


# -- the grace, and the end of the old value


def test_a_clock_that_was_put_back_never_shortens_the_grace(
    stage: Stage, openrouter: OpenRouter, now: dict[str, int | str]
) -> None:
    begin(stage, grace=DAY)
    assert stage.run().state == WAITING
    now |= {"now": AT - 400 * DAY, "boot": "two", "up": 5}  # another run of the machine, whose clock lost its battery
    assert "in 24 h" in stage.run().why
    now |= {"now": AT - 400 * DAY + DAY - 1, "boot": "three"}
    assert stage.run().state == WAITING
    assert openrouter.by_value(OLD)
    now["now"] = AT - 400 * DAY + DAY
    assert stage.run().state == CLOSED
    assert openrouter.by_value(OLD) is None


@pytest.mark.parametrize("says", [BUSY, as_json(401, {"error": {"message": "User not found."}})])
def test_the_old_value_stays_while_the_new_one_is_not_known_to_work(
    stage: Stage, openrouter: OpenRouter, now: dict[str, int | str], says: Reply
) -> None:
    begin(stage, grace=DAY)
    stage.run()
    now["up"] = 1000 + 2 * DAY
    saying(openrouter, lambda asked: says if is_check(asked) else None)
    outcome = stage.run()
    assert outcome.state == STUCK
    assert "so the old one stays" in outcome.why
    assert openrouter.by_value(OLD)
    as_ever(openrouter)
    assert stage.run().state == CLOSED


def test_a_new_value_without_credit_is_taken_and_that_is_said(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage, grace=DAY)
    saying(openrouter, lambda asked: as_json(402, {"error": {"message": "Insufficient credits"}}) if is_check(asked) else None)
    assert stage.run().state == WAITING
    assert "is right, but there is no credit left" in stage.person.text
    assert stage.value != OLD


def test_the_old_value_is_not_revoked_while_a_file_still_holds_it(
    stage: Stage, openrouter: OpenRouter, now: dict[str, int | str]
) -> None:
    file = write(os.path.join(stage.home.folder, "project.env"), f"OPENROUTER_API_KEY={OLD}\n")
    gone = file + ".gone"
    with stage.vault.transaction("place") as tx:
        for path in (file, gone):
            changes.register_place(tx, "openrouter/default", "dotenv", path, "OPENROUTER_API_KEY")
    begin(stage, grace=DAY)
    stage.run()
    assert gone not in stage.person.text, "there is nothing to do, and nobody to tell"
    assert text_of(file) == f"OPENROUTER_API_KEY={stage.value}\n"
    write(file, f"OPENROUTER_API_KEY={OLD}\n")  # a branch that was checked out
    now["up"] = 1000 + 2 * DAY
    outcome = stage.run()
    assert (outcome.state, outcome.why) == (STUCK, f"the old value is still in {file}")
    assert openrouter.by_value(OLD)
    assert stage.flow(insist=True).run().state == CLOSED


def test_a_hook_that_fails_is_told_and_stops_nothing(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    assert stage.flow(hooks=(("/no/such/program",),)).run().state == CLOSED
    assert "the hook /no/such/program was not found" in stage.person.text


def test_an_old_value_that_may_not_be_asked_about_is_not_taken_for_revoked(stage: Stage, openrouter: OpenRouter) -> None:
    """It lacked the right from the start, so that the same answer now tells nothing of its end."""
    saying(openrouter, lambda asked: NO if is_check(asked) and OLD in asked.headers["authorization"] else None)
    new = "sk-or-v1-" + "d" * 64
    openrouter.add(new)
    with stage.vault.transaction("edit") as tx:
        changes.edit(tx, "openrouter/default", {"leaked": AT}, AT)
    stage.begin("openrouter/default", scheme="manual", leaked=True)
    stage.person = Person(new)
    outcome = stage.run()
    assert outcome.state == STUCK
    assert "revoke the old value at https://" in outcome.why
    assert (stage.value, stage.key.leaked) == (new, AT)
    assert openrouter.by_value(OLD)
    stage.person.revoked = True
    assert stage.run().state == CLOSED
    assert stage.key.leaked is None


def test_a_revocation_that_is_refused_does_not_count_where_the_old_value_may_not_be_asked_about(
    stage: Stage, openrouter: OpenRouter
) -> None:
    def says(asked: Asked) -> Reply | None:
        about_old = is_check(asked) and OLD in asked.headers["authorization"]
        return NO if asked.method == "DELETE" or about_old else None

    saying(openrouter, says)
    with stage.vault.transaction("edit") as tx:
        changes.edit(tx, "openrouter/default", {"leaked": AT}, AT)
    begin(stage, leaked=True)
    with pytest.raises(Refused, match="was not revoked"):
        stage.run()
    assert (stage.step, stage.key.leaked) == ("propagated", AT)
    assert openrouter.by_value(OLD).alive


def test_a_revocation_that_is_refused_counts_where_the_old_value_is_dead(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    saying(openrouter, lambda asked: NO if asked.method == "DELETE" and OpenRouter.answer(openrouter, asked) else None)
    assert stage.run().state == CLOSED
    assert stage.last == "done"


def test_a_revocation_that_is_refused_is_told_where_the_old_value_lives(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    openrouter.faults[2] = REFUSE
    with pytest.raises(Refused, match="was not revoked"):
        stage.run()
    assert stage.step == "propagated"
    assert openrouter.by_value(OLD)


@pytest.mark.parametrize(("status", "state"), [(429, STUCK), (None, UNANSWERED)])
def test_a_revocation_that_nobody_can_see_is_not_called_done(
    stage: Stage, openrouter: OpenRouter, net: Internet, status: int | None, state: str
) -> None:
    begin(stage)

    def says(asked: Asked) -> Reply | None:
        gone = openrouter.by_value(OLD) is None
        if gone and status is None:
            net.refuse_connect.add("openrouter.ai")
            raise ConnectionResetError
        return BUSY if gone and is_check(asked) else None

    saying(openrouter, says)
    outcome = stage.run()
    assert (outcome.state, stage.step) == (state, "revoked")
    as_ever(openrouter)
    net.refuse_connect.clear()
    assert stage.run().state == CLOSED
    assert stage.last == "done"


def test_at_the_end_too_nothing_is_deleted_while_the_present_value_is_in_doubt(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    openrouter.dying = 10**6
    assert stage.run().state == STUCK
    rotation = stage.key.rotation
    assert rotation
    stray = openrouter.add("sk-or-v1-" + "e" * 64, rotation.name)
    for key in openrouter.keys.values():
        key.dies = time.time() - 1
    openrouter.dying = 0
    new = next(key for key in openrouter.alive if key.value == stage.value)
    new.facts["disabled"] = True
    outcome = stage.run()
    assert outcome.state == STUCK
    assert stray.alive
    del new.facts["disabled"]
    assert stage.run().state == CLOSED
    assert not stray.alive


# -- AWS


@pytest.fixture
def iam(net: Internet) -> Iam:
    return Iam(net)


def add_pair(stage: Stage, ref: str, pair: Key, **fields: str) -> None:
    values = {"": pair.value, "secret_access_key": pair.secret} | fields
    with stage.vault.transaction("add") as tx:
        changes.add(tx, ref, values, {"variables": {}, "fields": dict.fromkeys(values.keys() - {""}, True)}, AT)


@pytest.mark.parametrize("fault", [AFTER, LIE])
def test_a_pair_that_was_lost_on_the_way_is_shown_and_not_deleted(stage: Stage, iam: Iam, fault: str) -> None:
    old = iam.make()
    add_pair(stage, "aws/default", old)
    stage.begin("aws/default")
    iam.faults[1] = fault
    with pytest.raises(Unclear):
        stage.run()
    (lost,) = [key for key in iam.alive if key is not old]
    for _ in range(2):
        with pytest.raises(Refused, match=f"has a second access key already \\({lost.value}, made 2026"):
            stage.run()
        assert (stage.step, lost.alive, old.alive) == ("creating", True, True)
    iam.kill(lost)  # in the console
    assert stage.run().state == CLOSED
    assert [key.value for key in iam.alive] == [stage.value]


def test_an_administrators_pair_replaces_the_key_of_the_user_that_is_named(stage: Stage, iam: Iam, net: Internet) -> None:
    old, admin = iam.make(), iam.add("AKIAADMINADMINADMIN2")
    admin.secret = "admin's half"
    iam.keys.pop(admin.id)
    signs = iam._signer
    iam._signer = lambda asked: admin if admin.value in asked.headers["authorization"] else signs(asked)  # type: ignore[method-assign]
    add_pair(stage, "aws/default", old)
    add_pair(stage, "aws/admin", admin)
    stage.begin("aws/default", admin="aws/admin")
    with pytest.raises(Refused, match="has to be told whose key it replaces"):
        stage.run()
    assert net.asked == [], "it would have replaced the administrator's own"
    add_pair(stage, "aws/named", old, iam_user="ada")
    stage.begin("aws/named", admin="aws/admin")
    assert stage.run().state == CLOSED
    asked = net.of("iam.amazonaws.com")
    assert asked
    assert all("UserName=ada" in one.body and admin.value in one.headers["authorization"] for one in asked)
    assert [key.value for key in iam.alive] == [stage.value]


def test_half_a_pair_signs_nothing(stage: Stage, iam: Iam, net: Internet) -> None:
    add_key(stage.vault, "aws/half", iam.make().value, "AWS_ACCESS_KEY_ID")
    stage.begin("aws/half")
    with pytest.raises(Refused, match="aws/half lacks its secret half"):
        stage.run()
    assert net.of("iam.amazonaws.com") == []


def test_a_404_of_something_in_between_does_not_count_as_revoked(stage: Stage, iam: Iam) -> None:
    old = iam.make()
    add_pair(stage, "aws/default", old)
    stage.begin("aws/default")
    lost = Reply(404, "<Error>no such bucket</Error>", {"Content-Type": "application/xml"})
    saying(iam, lambda asked: lost if "Action=Delete" in asked.body else None)
    with pytest.raises(Unclear, match="404"):
        stage.run()
    assert (stage.step, old.alive) == ("revoking", True)
    as_ever(iam)
    assert stage.run().state == CLOSED
    assert not old.alive


def test_the_revocation_is_looked_at_for_as_long_as_aws_is_known_to_need(stage: Stage, iam: Iam) -> None:
    add_pair(stage, "aws/default", iam.make())
    stage.begin("aws/default")
    iam.dying = 10**6
    outcome = stage.run()
    assert outcome.state == STUCK
    assert "it still works" in outcome.why
    assert sum(stage.person.pauses) >= 30


@pytest.mark.parametrize("vendor", ["openrouter", "aws", "perplexity"])
def test_without_an_id_nothing_is_deleted_and_no_stray_is_guessed(vendor: str, net: Internet) -> None:
    provider = catalogue.load(vendor)
    assert provider
    nobody = Credential("a/default", Secret("value"), {}, "")
    scheme, job = scheme_for(provider), Job(provider, nobody, nobody, "", "keyvault-0")
    if vendor != "perplexity":  # where keys go by their value
        assert not scheme.can_delete("")
        with pytest.raises(Refused, match="is not known"):
            scheme.delete(job, "")
    if not scheme.lists:
        assert scheme.strays(job, "") == []
    assert net.asked == []


# -- two who rotate at once


def test_a_step_that_another_process_took_is_not_taken_twice(stage: Stage, openrouter: OpenRouter) -> None:
    begin(stage)
    seen = stage.key
    journal.move(stage.vault, seen, "creating", AT)
    with pytest.raises(Overtaken):
        journal.move(stage.vault, seen, "creating", AT)
    journal.close(stage.vault, stage.key, "aborted", AT)
    with pytest.raises(Overtaken):
        journal.move(stage.vault, seen, "creating", AT)


def test_a_value_that_came_from_elsewhere_meanwhile_is_not_replaced(stage: Stage, openrouter: OpenRouter) -> None:
    """As after a merge with a vault in which the key was edited."""
    begin(stage)
    openrouter.slow_start = 100
    assert stage.run().state == STUCK
    with stage.vault.transaction("merge") as tx:
        key = tx.get(stage.ref)
        version = tx.add_value(key.id, {"": "sk-or-v1-" + "f" * 64}, AT)
        tx.put(key._replace(current=version.id, versions=(*key.versions, version)))
    openrouter.slow_start = 0
    with pytest.raises(AlreadyExists, match="has got another value meanwhile"):
        stage.run()
    assert stage.value == "sk-or-v1-" + "f" * 64
    assert stage.flow().abort().state == CLOSED
    assert new_keys(openrouter) == []


# -- when the new value ends


@pytest.mark.parametrize(
    ("told", "expires"),
    [
        (1_900_000_000_000, 1_900_000_000),  # some count milliseconds
        (1_900_000_000, 1_900_000_000),
        ("2030-03-17T17:46:40Z", 1_900_000_000),
        (True, None),
        ("soon", None),
        (None, None),
        ([], None),
    ],
)
def test_when_a_new_value_ends_is_what_the_vendor_says_or_not_known(
    stage: Stage, net: Internet, told: object, expires: int | None
) -> None:
    vendor, old = Vercel(net), "vcp_" + "0" * 56
    vendor.add(old)
    add_key(stage.vault, "vercel/default", old, "VERCEL_TOKEN")

    def says(asked: Asked) -> Reply | None:
        if asked.method != "POST":
            return None
        new = vendor.add("vcp_" + "1" * 56, "keyvault-new")
        return as_json(200, {"token": {"id": new.id, "name": new.name, "expiresAt": told}, "bearerToken": new.value})

    saying(vendor, says)
    stage.begin("vercel/default", grace=DAY)
    assert stage.run().state == WAITING
    assert stage.key.expires == expires


def test_cloudflare_gives_a_lost_value_once_more_only_by_another_key(stage: Stage, net: Internet) -> None:
    vendor, old = Cloudflare(net, "cfut_" + "a" * 48), "cfut_" + "0" * 48
    vendor.add(old)
    add_key(stage.vault, "cloudflare/default", old, "CLOUDFLARE_API_TOKEN")
    add_key(stage.vault, "cloudflare/admin", vendor.admin, "CF_ADMIN")
    stage.begin("cloudflare/default", admin="cloudflare/admin")
    vendor.faults[1] = AFTER
    with pytest.raises(Unclear):
        stage.run()
    assert stage.run().state == CLOSED
    assert vendor.by_value(stage.value)
    assert vendor.changes == 2

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyvault.core.errors import KeyvaultError
from keyvault.store.base import Store
from keyvault.store.memory import MemoryStore
from keyvault.store.sqlite import create_store, open_store


def blob(n: int) -> tuple[bytes, bytes]:
    return bytes([n]) * 32, b"blob %d\0\xff" % n


class StoreContract:
    """What every store promises; inherited with a `store` that holds blob 1 and the head b"head 1"."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        raise NotImplementedError

    def test_it_has_a_name(self, store: Store) -> None:
        assert store.name

    def test_it_holds_what_it_was_made_with(self, store: Store) -> None:
        name, content = blob(1)
        assert store.head() == b"head 1"
        assert store.ids() == {name}
        assert store.get([name]) == {name: content}

    def test_only_blobs_that_exist_come_back(self, store: Store) -> None:
        name, content = blob(1)
        assert store.get([blob(2)[0], name, name]) == {name: content}
        assert store.get([]) == {}
        assert store.get(iter([blob(2)[0]])) == {}

    def test_many_blobs_come_in_one_call(self, store: Store) -> None:
        many = {n.to_bytes(32, "big"): b"%d" % n for n in range(2_500)}
        assert store.put(many, [], b"head 2", b"head 1")
        assert store.get(list(many)) == many

    def test_a_put_adds_drops_and_swaps_the_head(self, store: Store) -> None:
        assert store.put(dict([blob(2), blob(3)]), [blob(1)[0]], b"head 2", b"head 1")
        assert store.head() == b"head 2"
        assert store.ids() == {blob(2)[0], blob(3)[0]}
        assert store.get([blob(1)[0], blob(2)[0]]) == dict([blob(2)])

    def test_a_put_on_another_head_changes_nothing(self, store: Store) -> None:
        assert not store.put(dict([blob(2)]), [blob(1)[0]], b"head 2", b"head 0")
        assert store.head() == b"head 1"
        assert store.ids() == {blob(1)[0]}

    def test_a_head_can_be_put_alone(self, store: Store) -> None:
        assert store.put({}, [], b"head 2", b"head 1")
        assert not store.put({}, [], b"head 3", b"head 1")
        assert store.head() == b"head 2"

    def test_dropping_what_is_not_there_is_no_error(self, store: Store) -> None:
        assert store.put({}, [blob(7)[0]], b"head 2", b"head 1")
        assert store.ids() == {blob(1)[0]}

    def test_what_is_added_and_dropped_in_one_put_is_gone(self, store: Store) -> None:
        assert store.put(dict([blob(2)]), [blob(2)[0]], b"head 2", b"head 1")
        assert store.ids() == {blob(1)[0]}

    def test_blobs_and_heads_are_any_bytes(self, store: Store) -> None:
        name, content = bytes(32), bytes(range(256)) * 4096
        assert store.put({name: content, b"\xff" * 32: b""}, [], b"\0\xff", b"head 1")
        assert store.get([name, b"\xff" * 32]) == {name: content, b"\xff" * 32: b""}
        assert store.head() == b"\0\xff"

    def test_ids_are_told_apart_to_the_last_byte(self, store: Store) -> None:
        near = blob(1)[0][:-1] + b"\x02"
        assert store.put({near: b"near"}, [], b"head 2", b"head 1")
        assert store.get([near]) == {near: b"near"}
        assert store.get([blob(1)[0]]) == dict([blob(1)])

    def test_the_writers_queue_can_be_entered_again(self, store: Store) -> None:
        with store.writers_queue(), store.writers_queue():
            assert store.put({}, [], b"head 2", b"head 1")
        with store.writers_queue():
            assert store.head() == b"head 2"

    def test_an_error_in_the_queue_lets_go_of_it(self, store: Store) -> None:
        with pytest.raises(KeyvaultError), store.writers_queue():
            raise KeyvaultError("inside")
        assert store.put({}, [], b"head 2", b"head 1")

    def test_closing_it_again_is_no_error(self, store: Store) -> None:
        store.close()
        store.close()


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        path = str(tmp_path / "vault" / "vault.db")
        create_store(path, dict([blob(1)]), b"head 1")
        store = open_store(path)
        yield store
        store.close()

    def test_another_handle_sees_a_put(self, store: Store) -> None:
        other = open_store(store.name)
        assert store.put(dict([blob(2)]), [], b"head 2", b"head 1")
        assert other.head() == b"head 2"
        assert other.get([blob(2)[0]]) == dict([blob(2)])
        other.close()

    def test_closing_lets_go_of_the_file(self, store: Store) -> None:
        def is_open() -> bool:
            return os.path.realpath(store.name) in [
                os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
            ]

        assert store.head() == b"head 1"
        assert is_open()
        store.close()
        assert not is_open()

    def test_a_put_survives_its_handle(self, store: Store) -> None:
        assert store.put(dict([blob(2)]), [blob(1)[0]], b"head 2", b"head 1")
        store.close()
        again = open_store(store.name)
        assert (again.head(), again.ids()) == (b"head 2", {blob(2)[0]})
        again.close()

    def test_one_file_holds_it_all_and_erased_blobs_leave_no_bytes(self, store: Store) -> None:
        assert store.put({bytes(32): b"canary" * 9}, [], b"head 2", b"head 1")
        assert store.put({}, [bytes(32)], b"head 3", b"head 2")
        store.close()
        folder = os.path.dirname(store.name)
        assert set(os.listdir(folder)) <= {"vault.db", "vault.db.lock", "vault.db-journal"}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                assert b"canary" not in file.read()


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        yield MemoryStore(str(tmp_path / "vault.db"), dict([blob(1)]), b"head 1")

    def test_what_it_was_made_from_is_not_changed(self) -> None:
        blobs = dict([blob(1)])
        assert MemoryStore("m", blobs, b"head 1").put(dict([blob(2)]), [blob(1)[0]], b"head 2", b"head 1")
        assert blobs == dict([blob(1)])

"""tinycnn.support.files: a file is whole or not there, whatever happens; and where the cache is."""

import os
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tinycnn.support import files
from tinycnn.support.files import atomic_write, cache_folder, expanded


def test_the_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
        file.write(b"whole")
    assert path.read_bytes() == b"halfwhole"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_an_error_of_the_system_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError("disk on fire")

    monkeypatch.setattr(files.os, failing, fail)
    with pytest.raises(OSError, match="on fire"), atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("room", [0, 1, 4096, 99_999])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path, room):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="too large"), atomic_write(path) as file:
            file.write(bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == mode


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.bin").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a.bin")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a.bin").read_bytes() == b"new"


def test_the_longest_name_a_file_can_have(tmp_path):
    with atomic_write(tmp_path / ("n" * 255)) as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == ["n" * 255]


def test_a_name_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_write("a.bin") as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == ["a.bin"]


def test_only_a_regular_file_is_replaced(tmp_path):
    with pytest.raises(OSError, match="not a regular file"), atomic_write(tmp_path):
        pass
    with pytest.raises(OSError, match="not a regular file"), atomic_write(os.devnull):
        pass
    assert not Path(os.devnull).is_file()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no folder {tmp_path}/no to write a.bin"):
        with atomic_write(tmp_path / "no" / "a.bin"):
            pass


def test_many_writers_of_one_path(tmp_path):
    path = tmp_path / "a.bin"

    def write(letter):
        for _ in range(20):
            with atomic_write(path) as file:
                file.write(letter * 50_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            seen = path.read_bytes()
            assert len(seen) == 50_000 and len(set(seen)) == 1
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.full)])
def test_killed_while_writing(tmp_path, kills):
    path = tmp_path / "a.bin"
    path.write_bytes(b"0" * 300_000)
    script = (
        "import itertools, sys; from tinycnn.support.files import atomic_write\n"
        "for n in itertools.count(1):\n"
        "    with atomic_write(sys.argv[1]) as file: file.write(b'%d' % (n % 10) * 300_000)\n"
        "    if n == 1: print(flush=True)\n"
    )
    rng = random.Random(0)
    for _ in range(kills):
        command = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
        seen = path.read_bytes()
        assert len(seen) == 300_000 and len(set(seen)) == 1


def test_what_killed_writers_left_is_swept_away_when_it_is_old(tmp_path):
    ages = {f".tinycnn-{n:032x}.tmp": age for n, age in enumerate([0, 3000, 4000, 10**6])}
    ages |= {"tinycnn-a.tmp": 10**6, ".tinycnn-a": 10**6, ".a.tmp": 10**6}
    for name, age in ages.items():
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / ".tinycnn-folder.tmp").mkdir()  # not ours, and cannot be unlinked
    os.utime(tmp_path / ".tinycnn-folder.tmp", (0, 0))
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"x")
    gone = {name for name in ages if not (tmp_path / name).exists()}
    assert gone == {f".tinycnn-{n:032x}.tmp" for n in (2, 3)}


CACHES = [
    ("linux", {"TINYCNN_HOME": "/a/b"}, "/a/b"),
    ("darwin", {"TINYCNN_HOME": "~/b"}, "/home/me/b"),
    ("linux", {}, "/home/me/.cache/tinycnn"),
    ("linux", {"TINYCNN_HOME": "", "XDG_CACHE_HOME": ""}, "/home/me/.cache/tinycnn"),
    ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/tinycnn"),
    ("darwin", {"XDG_CACHE_HOME": "/x"}, "/home/me/Library/Caches/tinycnn"),
    ("win32", {"LOCALAPPDATA": "/local"}, "/local/tinycnn"),
    ("win32", {}, "/home/me/AppData/Local/tinycnn"),
]


@pytest.mark.parametrize("platform, environment, folder", CACHES)
def test_cache_folder(monkeypatch, platform, environment, folder):
    for name in ("TINYCNN_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path(folder)


def test_cache_folder_of_a_user_without_a_home(monkeypatch):
    for name in ("TINYCNN_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("os.getuid", lambda: 987_654)
    assert cache_folder() == Path("/nonexistent/.cache/tinycnn")


def test_a_home_of_nobody_s_is_left_as_it_is_written():
    assert expanded("~nosuchuser/data") == Path("~nosuchuser/data")

"""tinycnn.datasets.mnist and .download: the right source, and no bad byte from any of them."""

import contextlib
import gzip
import hashlib
import os
import random
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fault_server import BEHAVIOURS, CERTIFICATE, FaultServer, reply
from mutations import wounded

from tinycnn.datasets import download, idx, mnist, synthetic
from tinycnn.datasets.idx import format_idx, write_idx
from tinycnn.errors import DownloadError, IdxFormatError

OFFICIAL, OFFICIAL_MIRRORS = mnist.FILES, mnist.MIRRORS
REAL = os.environ.get("TINYCNN_DATA_DIR")
NAMES = [file.name for file in OFFICIAL]


def drawn(seed, train=7, test=3):
    """Four arrays of MNIST's form, in the order of the files."""
    rng = np.random.default_rng(seed)
    sizes = [(train, 28, 28), (train,), (test, 28, 28), (test,)]
    return [rng.integers(0, 10, size, dtype=np.uint8) for size in sizes]


TINY = dict(zip(NAMES, drawn(0), strict=True))
SERVED = {f"{name}.gz": gzip.compress(format_idx(array), mtime=0) for name, array in TINY.items()}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    """No data anywhere, no server, and `TINY` is the official MNIST."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("TINYCNN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    monkeypatch.setattr(mnist, "MIRRORS", ())
    files = [
        mnist.File(name, len(packed), sha256(packed), sha256(gzip.decompress(packed)))
        for name, packed in zip(NAMES, SERVED.values(), strict=True)
    ]
    monkeypatch.setattr(mnist, "FILES", tuple(files))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "home" / "mnist"


@pytest.fixture
def server(monkeypatch):
    for limit in ("ANSWER_SECONDS", "STALL_SECONDS", "FILE_SECONDS"):
        monkeypatch.setattr(download, limit, 8.0)  # a busy machine is no fault of the server
    with FaultServer(SERVED) as server:
        yield server


def use(monkeypatch, server, *behaviours):
    monkeypatch.setattr(mnist, "MIRRORS", tuple(server.mirror(name) for name in behaviours))


def put(folder, arrays, form="{}.gz"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays, strict=True):
        write_idx(folder / form.format(name), array)
    return folder


def put_cached(cache):
    cache.mkdir(parents=True)
    for name, packed in SERVED.items():
        (cache / name).write_bytes(packed)


def assert_loaded(loaded, arrays):
    (x_train, y_train), (x_test, y_test) = loaded
    for actual, expected in zip((x_train, y_train, x_test, y_test), arrays, strict=True):
        assert actual.dtype == np.uint8 and actual.flags.writeable and actual.flags.c_contiguous
        np.testing.assert_array_equal(actual, expected)


def forbid_sockets(monkeypatch):
    def fail(*args, **kwargs):
        pytest.fail("a connection was tried")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, fail)


# --- where the data come from ---------------------------------------------------------------------


def test_the_order_of_the_sources(monkeypatch, tmp_path, cache, server):
    use(monkeypatch, server, "good")
    argument, variable = drawn(1), drawn(2)
    put(tmp_path / "argument", argument)
    put(tmp_path / "variable", variable)
    monkeypatch.setenv("TINYCNN_DATA_DIR", str(tmp_path / "variable"))
    assert_loaded(mnist.load_data(tmp_path / "argument"), argument)
    assert_loaded(mnist.load_data(str(tmp_path / "argument")), argument)
    assert_loaded(mnist.load_data(), variable)
    assert server.heads == [] and not cache.exists()
    monkeypatch.setenv("TINYCNN_DATA_DIR", "")
    assert_loaded(mnist.load_data(), TINY.values())
    assert len(server.heads) == 4
    assert_loaded(mnist.load_data(), TINY.values())
    assert len(server.heads) == 4  # the second time from the cache
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == SERVED


@pytest.mark.parametrize("form", ["{}.gz", "{}"])
def test_a_folder_of_any_size_packed_or_not(tmp_path, capsys, form):
    arrays = drawn(3, train=1, test=40)
    folder = put(tmp_path / "digits", arrays, form)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert_loaded(mnist.load_data(folder, offline=True), arrays)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()} == before
    assert f"{folder}: not the official MNIST: {', '.join(NAMES)}" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["{}.gz", "{}"])
def test_no_notice_for_the_official_data_however_packed(tmp_path, capsys, form):
    folder = put(tmp_path / "official", TINY.values(), form)
    assert_loaded(mnist.load_data(folder), TINY.values())
    assert capsys.readouterr().err == ""


def test_only_the_official_data_are_called_mnist(tmp_path):
    put(tmp_path, list(TINY.values()))
    (x_train, y_train), (x_test, y_test) = data = mnist.load_data(tmp_path)
    assert mnist.name_of(data) == "MNIST"
    x_test[0, 0, 0] ^= 1
    assert mnist.name_of(data) == "data in MNIST's format (not MNIST)"


def test_the_notice_names_the_one_file_that_differs(tmp_path, capsys):
    arrays = list(TINY.values())
    arrays[1] = (arrays[1] + 1) % 10
    folder = put(tmp_path / "mixed", arrays)
    mnist.load_data(folder)
    err = capsys.readouterr().err
    assert err.endswith(f"{folder}: not the official MNIST: train-labels-idx1-ubyte\n")


def test_a_file_missing_in_a_folder_is_an_error_not_a_download(monkeypatch, tmp_path, cache):
    forbid_sockets(monkeypatch)
    put_cached(cache)
    folder = put(tmp_path / "digits", drawn(4))
    (folder / f"{NAMES[2]}.gz").unlink()
    (folder / f"{NAMES[3]}.gz").rename(folder / "t10k-labels.old")
    with pytest.raises(FileNotFoundError) as error:
        mnist.load_data(folder)
    assert f"the folder {folder} lacks these files:" in str(error.value)
    assert f"\n  {NAMES[2]}.gz or {NAMES[2]}\n  {NAMES[3]}.gz or {NAMES[3]}\n" in str(error.value)
    assert NAMES[0] not in str(error.value)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        mnist.load_data(tmp_path / "nowhere")
    monkeypatch.setenv("TINYCNN_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        mnist.load_data()


def test_a_damaged_file_in_a_folder_is_an_error(tmp_path):
    folder = put(tmp_path / "digits", drawn(5))
    path = folder / f"{NAMES[1]}.gz"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(IdxFormatError, match=f"{path} is cut short"):
        mnist.load_data(folder)


X, Y, U, V = drawn(6)
BAD_FORMS = [
    ([X[:0], Y[:0], U, V], "train-images-idx3-ubyte must hold at least one image"),
    ([X, Y, U[:, :27], V], "t10k-images-idx3-ubyte .* of shape (3, 27, 28)"),
    ([X.reshape(7, 784), Y, U, V], "train-images-idx3-ubyte .* of shape (7, 784)"),
    ([X.astype(np.int16), Y, U, V], "train-images-idx3-ubyte .* holds int16"),
    ([X, Y[:6], U, V], "train-labels-idx1-ubyte must hold one label for each of the 7 .* (6,)"),
    ([X, Y, U, V[:, None]], "t10k-labels-idx1-ubyte .* of shape (3, 1)"),
    ([X, Y.astype(np.int32), U, V], "train-labels-idx1-ubyte .* holds int32"),
    ([X, Y, U, np.uint8([0, 10, 9])], "t10k-labels-idx1-ubyte .* holds 10 at index 1"),
    ([Y, X, U, V], "train-images-idx3-ubyte must hold .* of shape (7,)"),
]


@pytest.mark.parametrize("arrays, words", BAD_FORMS)
def test_data_that_are_not_of_mnists_form(tmp_path, arrays, words):
    folder = put(tmp_path / "digits", arrays)
    with pytest.raises(IdxFormatError, match=words.replace("(", r"\(").replace(")", r"\)")):
        mnist.load_data(folder)


# --- the cache ------------------------------------------------------------------------------------

DAMAGES = {
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "bit": lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:],
    "empty": lambda data: b"",
    "page": lambda data: b"<html>",
    "zeros": lambda data: bytes(len(data)),
    "other": lambda data: SERVED[f"{NAMES[0]}.gz"],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_in_the_cache(monkeypatch, cache, server, damage):
    put_cached(cache)
    path = cache / f"{NAMES[3]}.gz"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DownloadError, match=f"{path} (is damaged|holds .* bytes instead)"):
        mnist.load_data(offline=True)
    use(monkeypatch, server, "good")
    assert_loaded(mnist.load_data(), TINY.values())
    assert len(server.heads) == 1 and path.read_bytes() == SERVED[path.name]
    assert len(list(cache.iterdir())) == 4


def test_offline_opens_no_connection(monkeypatch, cache):
    forbid_sockets(monkeypatch)
    monkeypatch.setattr(mnist, "MIRRORS", ("https://a.invalid/",))
    put_cached(cache)
    assert_loaded(mnist.load_data(offline=True), TINY.values())
    for name in NAMES[1:3]:
        (cache / f"{name}.gz").unlink()
    with pytest.raises(DownloadError) as error:
        mnist.load_data(offline=True)
    message = str(error.value)
    assert "offline=True" in message
    for name in NAMES:
        assert (f"{cache / name}.gz is missing" in message) == (name in NAMES[1:3])
    assert "https://a.invalid/" in message and "TINYCNN_DATA_DIR" in message
    assert f"put them into {cache}, " in message


def test_offline_as_the_interpreter_sees_it(tmp_path):
    code = (
        "import sys, tinycnn.datasets.mnist as mnist\n"
        "from tinycnn.errors import DownloadError\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: event.startswith('socket.') and seen.append(event))\n"
        "try: mnist.load_data(offline=True)\n"
        "except DownloadError: print(seen, 'requests' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[] False\n"


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path, server, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "file"))
    use(monkeypatch, server, "good")
    for _ in range(2):
        assert_loaded(mnist.load_data(), TINY.values())
    assert len(server.heads) == 8
    err = capsys.readouterr().err
    assert err.count("cannot be kept in") == 1 and err.count("\n") == 1
    assert "TINYCNN_HOME" in err
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no users here")
def test_a_home_without_the_right_to_write(monkeypatch, server, capsys):
    use(monkeypatch, server, "good")
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is closed to everybody else
        home = Path(folder, "home")
        home.mkdir()
        home.chmod(0o555)
        Path(folder).chmod(0o755)
        monkeypatch.setenv("TINYCNN_HOME", str(home))
        root = os.geteuid() == 0  # whom no right is denied
        if root:
            os.seteuid(65534)
        try:
            assert_loaded(mnist.load_data(), TINY.values())
        finally:
            if root:
                os.seteuid(0)
        assert list(home.iterdir()) == []
    assert "cannot be kept in" in capsys.readouterr().err


def test_a_full_disk_under_the_cache(monkeypatch, cache, server, capsys):
    use(monkeypatch, server, "good")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        assert_loaded(mnist.load_data(), TINY.values())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = [path.name for path in cache.iterdir()]
    assert kept == [name for name in kept if len(SERVED[name]) <= 100]
    assert "cannot be kept in" in capsys.readouterr().err


LINKS = {
    "to nothing": "nothing-there",
    "to itself": f"{NAMES[0]}.gz",
    "to a folder": "..",
    "to a device": os.devnull,
}


@pytest.mark.parametrize("link", LINKS)
def test_a_link_where_a_cached_file_should_be(monkeypatch, cache, server, link):
    put_cached(cache)
    path = cache / f"{NAMES[0]}.gz"
    path.unlink()
    path.symlink_to(LINKS[link])
    with pytest.raises(DownloadError, match=r"is missing|cannot be read|holds 0 bytes"):
        mnist.load_data(offline=True)
    use(monkeypatch, server, "good")
    for _ in range(2):
        assert_loaded(mnist.load_data(), TINY.values())
    if link in ("to nothing", "to itself"):
        assert len(server.heads) == 1 and path.read_bytes() == SERVED[path.name]


def test_a_folder_where_a_cached_file_should_be(monkeypatch, cache, server, capsys):
    (cache / f"{NAMES[0]}.gz").mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"cannot be read \(Is a directory\)"):
        mnist.load_data(offline=True)
    use(monkeypatch, server, "good")
    assert_loaded(mnist.load_data(), TINY.values())
    assert "not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.full)])
def test_four_processes_on_one_empty_cache(tmp_path, server, rounds):
    script = (
        "from tinycnn.datasets import mnist\n"
        f"mnist.FILES = tuple(map(mnist.File._make, {[tuple(f) for f in mnist.FILES]}))\n"
        f"mnist.MIRRORS = ('{server.mirror('good')}',)\n"
        "print(mnist.load_data()[0][0].sum())\n"
    )
    for number in range(rounds):
        home = tmp_path / f"home{number}"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script],
                env={**os.environ, "TINYCNN_HOME": str(home)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        outputs = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        assert {output.split()[-1] for output in outputs} == {str(TINY[NAMES[0]].sum())}
        assert {path.name: path.read_bytes() for path in (home / "mnist").iterdir()} == SERVED


# --- mirrors --------------------------------------------------------------------------------------

REASONS = {
    "redirect": "status 302",
    "forbidden": "status 403",
    "unavailable": "status 503",
    "no_content": "status 204",
    "partial": "status 206",
    "html": "what it sent holds 36 bytes instead of",
    "wrong": "what it sent is damaged: its SHA-256 is",
    "cut": "IncompleteRead|holds .* bytes instead",
    "cut_without_length": "what it sent holds",
    "empty": "what it sent holds 0 bytes",
    "long": "what it sent holds more bytes instead of",
    "gzip": "what it sent holds",
    "gzip_labelled": "what it sent holds",
    "chunked": "in chunks",
    "chunk_drip": "in chunks",
    "drip": "only .* bytes within 0.5 s",
    "stall": "TimeoutError",
    "endless": "what it sent holds more bytes",
    "endless_head": "no answer within 0.5 s",
    "silent": "ReadTimeout",
    "not_http": "BadStatusLine",
    "hang_up": "RemoteDisconnected",
}
LIMITS = {  # the one that ends it
    "drip": "FILE_SECONDS",
    "stall": "STALL_SECONDS",
    "silent": "STALL_SECONDS",
    "endless_head": "ANSWER_SECONDS",
}
GOOD = [name for name in BEHAVIOURS if name.startswith("good")]


def test_every_behaviour_has_a_test():
    assert set(REASONS) | set(GOOD) == set(BEHAVIOURS)


@pytest.mark.parametrize("repeat", [1, pytest.param(20, marks=pytest.mark.full)])
@pytest.mark.parametrize("behaviour", REASONS)
def test_a_hostile_mirror_is_passed_over(monkeypatch, cache, server, behaviour, repeat):
    if limit := LIMITS.get(behaviour):
        monkeypatch.setattr(download, limit, 0.5)
    for _ in range(repeat):
        use(monkeypatch, server, behaviour)
        start = time.monotonic()
        with pytest.raises(DownloadError, match="could not be downloaded") as error:
            mnist.load_data()
        assert time.monotonic() - start < 5
        lines = str(error.value).splitlines()
        assert lines[0] == f"{NAMES[0]}.gz could not be downloaded:"
        assert lines[1].startswith(f"  {server.mirror(behaviour)}{NAMES[0]}.gz: ")
        assert re.search(REASONS[behaviour], lines[1]), lines[1]
        assert not any(cache.glob("*")) and not any(cache.glob(".*"))
    if limit:
        monkeypatch.setattr(download, limit, 1.0)
    put_cached(cache)
    (cache / f"{NAMES[1]}.gz").unlink()
    use(monkeypatch, server, behaviour, "good")
    assert_loaded(mnist.load_data(), TINY.values())
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == SERVED


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"Failed to resolve '{'h' * 90}' ([Errno -2] Name or service not known)", None),
        ("one " * 100, f"{'one ' * 40}..."),
        ("x" * 200, f"{'x' * 160} ..."),
    ],
)
def test_a_reason_is_not_cut_off_within_a_word(text, told):
    assert download._in_short(OSError(text)) == f"OSError: {told or text}"


@pytest.mark.parametrize("behaviour", GOOD)
def test_ways_to_send_it_right(monkeypatch, cache, server, behaviour, capsys):
    use(monkeypatch, server, behaviour)
    assert_loaded(mnist.load_data(), TINY.values())
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == SERVED
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == list(SERVED) and err == ""


def test_all_mirrors_are_listed_in_order_and_what_to_do(monkeypatch, cache, server):
    use(monkeypatch, server, "forbidden", "html", "unavailable")
    with pytest.raises(DownloadError) as error:
        mnist.load_data()
    lines = str(error.value).splitlines()
    urls = [server.mirror(name) for name in ("forbidden", "html", "unavailable")]
    assert [line.split("train")[0].strip() for line in lines[1:4]] == urls
    rest = "\n".join(lines[4:])
    assert all(f"{name}.gz" in rest for name in NAMES) and all(url in rest for url in urls)
    assert f"put them into {cache}, or into a folder of your own" in rest
    assert "data_dir=" in rest and "TINYCNN_DATA_DIR" in rest
    assert len(server.heads) == 3  # the other three files were not tried


def test_a_mirror_that_cannot_be_reached_is_tried_once(monkeypatch, tmp_path, server):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    closed = f"https://127.0.0.1:{port}/"
    monkeypatch.setattr(mnist, "MIRRORS", (closed, server.mirror("good")))
    asked = []
    really_open = download._open
    monkeypatch.setattr(download, "_open", lambda url: asked.append(url) or really_open(url))
    assert_loaded(mnist.load_data(), TINY.values())
    assert [url.startswith(closed) for url in asked] == [True] + [False] * 4
    monkeypatch.setattr(mnist, "MIRRORS", (closed,))
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "empty"))
    with pytest.raises(DownloadError, match="Connection refused"):
        mnist.load_data()


def test_a_mirror_that_refuses_one_file_is_asked_for_the_next(monkeypatch, server):
    use(monkeypatch, server, "forbidden", "good")
    assert_loaded(mnist.load_data(), TINY.values())
    assert len(server.heads) == 8


def test_the_body_of_a_redirect_or_of_an_endless_answer_is_not_read(monkeypatch, server):
    use(monkeypatch, server, "redirect", "endless")
    with pytest.raises(DownloadError):
        mnist.load_data()
    time.sleep(0.2)
    before = server.sent
    time.sleep(0.2)
    assert server.sent == before < 20e6  # the client hung up; what was sent is in the buffers


def test_only_https(monkeypatch, server):
    forbid_sockets(monkeypatch)
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/", "file:///etc/"))
    with pytest.raises(DownloadError, match=r"http://127.0.0.1:9/.*: not https\n.*: not https\n"):
        mnist.load_data()


def test_a_certificate_nobody_vouches_for(monkeypatch, server):
    import certifi

    use(monkeypatch, server, "good")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with pytest.raises(DownloadError, match="SSLCertVerificationError: self-signed certificate"):
        mnist.load_data()
    assert server.heads == []


def test_what_is_asked(monkeypatch, tmp_path, server):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    use(monkeypatch, server, "good")
    mnist.load_data()
    for head, name in zip(server.heads, SERVED, strict=True):
        assert head.startswith(f"GET /good/{name} HTTP/1.1\r\n")
        assert "\r\nAccept-Encoding: identity\r\n" in head
        assert "authorization" not in head.lower() and "cookie" not in head.lower()


def test_a_proxy_from_the_environment_is_used(monkeypatch, server):
    monkeypatch.setattr(mnist, "MIRRORS", ("https://mirror.invalid/mnist/",))
    with FaultServer({}, tls=False) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(DownloadError, match=r"OSError: 403 Forbidden|ProxyError.*403"):
            mnist.load_data()
    assert [head.split(" HTTP")[0] for head in proxy.heads] == ["CONNECT mirror.invalid:443"]


def test_a_name_server_that_does_not_answer(monkeypatch):
    answered = threading.Event()

    def hang(*args, **kwargs):
        answered.wait(10)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(mnist, "MIRRORS", tuple(f"https://{n}.invalid/" for n in range(4)))
    start = time.monotonic()
    with pytest.raises(DownloadError) as error:
        mnist.load_data()
    assert time.monotonic() - start < 2
    assert str(error.value).count("no answer within 0.2 s") == 4
    answered.set()


def test_four_silent_mirrors_are_given_up_within_ten_seconds():
    assert len(OFFICIAL_MIRRORS) * download.ANSWER_SECONDS < 9.5


@pytest.mark.full
def test_behind_a_firewall_that_drops_everything(monkeypatch):
    with contextlib.ExitStack() as stack:
        urls = []
        for _ in OFFICIAL_MIRRORS:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            urls.append(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        monkeypatch.setattr(mnist, "MIRRORS", tuple(urls))
        start = time.monotonic()
        with pytest.raises(DownloadError, match="no answer within"):
            mnist.load_data()
        assert time.monotonic() - start < 10


# Where two lengths contradict each other, urllib3 leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed .*SSLSocket:ResourceWarning")
@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.full)])
def test_answers_at_random(monkeypatch, cache, server, count):
    """Damaged heads and bodies: the right bytes, or a DownloadError, and nothing else."""
    rng, passed = random.Random(count), 0
    body = SERVED[f"{NAMES[1]}.gz"]
    size, digest = len(body), sha256(body)
    lines = ["Content-Encoding: gzip", "Content-Length: -1", "Transfer-Encoding: x", "Location: /"]

    def behave(server, connection, _):
        head = reply(rng.choice(["200 OK", "200", "302 x", "-1 x"]), rng.choice([None, size]))
        head = head[:-2] + rng.choice(["", *lines]).encode() + b"\r\n\r\n"
        connection.sendall(wounded(rng, head + body, rng.randrange(3)))

    monkeypatch.setitem(BEHAVIOURS, "random", behave)
    monkeypatch.setattr(download, "STALL_SECONDS", 1.0)
    for _ in range(count):
        try:
            mirrors = download.Mirrors([server.mirror("random")])
            assert mirrors.download(f"{NAMES[1]}.gz", size, digest) == body
            passed += 1
        except DownloadError:
            pass
    assert 0 < passed < count


# --- the real thing -------------------------------------------------------------------------------


def test_the_table():
    assert len(OFFICIAL_MIRRORS) == 4
    assert all(url.startswith("https://") and url.endswith("/") for url in OFFICIAL_MIRRORS)
    assert [file.size for file in OFFICIAL] == [9912422, 28881, 1648877, 4542]


@pytest.mark.skipif(not REAL, reason="no MNIST")
def test_the_real_mnist(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(mnist, "FILES", OFFICIAL)
    (x_train, y_train), (x_test, y_test) = mnist.load_data(REAL)
    assert capsys.readouterr().err == ""  # the official one
    assert x_train.shape == (60000, 28, 28) and x_test.shape == (10000, 28, 28)
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(y_train).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(y_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    # The means that every tutorial subtracts: 0.1307 and, of the test images, 0.1325.
    assert round(x_train.mean() / 255, 4) == 0.1307 and round(x_test.mean() / 255, 4) == 0.1325
    # The packed files, put into the cache by hand as the error tells, are found there.
    packed = [Path(REAL) / f"{file.name}.gz" for file in OFFICIAL]
    if all(path.exists() for path in packed):
        (tmp_path / "home" / "mnist").mkdir(parents=True)
        for path in packed:
            (tmp_path / "home" / "mnist" / path.name).symlink_to(path.resolve())
        assert_loaded(mnist.load_data(offline=True), (x_train, y_train, x_test, y_test))


# --- as unzip tools, Kaggle and Keras leave the files ---------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dot", [True, False])
@pytest.mark.parametrize("nested", ["", "dash", "dot"])
def test_the_files_by_any_of_their_names(tmp_path, packed, dot, nested):
    source, folder = tmp_path / "source", tmp_path / "folder"
    synthetic.write(source, train=30, test=20, seed=1)
    expected = mnist.load_data(source)
    for file in mnist.FILES:
        array = idx.read_idx(source / file.name)
        dotted = file.name.replace("-idx", ".idx")
        own = {"": ".", "dash": file.name, "dot": dotted}[nested]
        (folder / own).mkdir(parents=True, exist_ok=True)
        name = (dotted if dot else file.name) + ".gz" * packed
        idx.write_idx(folder / own / name, array)
    for one, other in zip(mnist.load_data(folder), expected, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_keras_s_own_archive_is_read(tmp_path):
    source = tmp_path / "source"
    synthetic.write(source, train=30, test=20, seed=1)
    (x_train, y_train), (x_test, y_test) = mnist.load_data(source)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    np.savez(tmp_path / "mnist.npz", **arrays)
    (x, y), (x2, y2) = mnist.load_data(tmp_path)
    for ours, theirs in zip((x, y, x2, y2), arrays.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    arrays.pop("y_test")
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(IdxFormatError, match=r"lacks y_test: not Keras's mnist\.npz"):
        mnist.load_data(tmp_path)
    (tmp_path / "mnist.npz").write_bytes(b"PK\x03\x04nonsense")
    with pytest.raises(IdxFormatError, match=r"mnist\.npz is damaged"):
        mnist.load_data(tmp_path)
    np.savez(tmp_path / "mnist.npz", **{**arrays, "y_test": np.array([{}], object)})
    with pytest.raises(IdxFormatError, match=r"mnist\.npz is damaged"):
        mnist.load_data(tmp_path)


def test_labels_of_emnist_point_to_read_idx(tmp_path):
    synthetic.write(tmp_path, train=30, test=20, seed=1)
    letters = np.arange(1, 27, dtype=np.uint8)
    idx.write_idx(tmp_path / "train-labels-idx1-ubyte", np.resize(letters, 30))
    with pytest.raises(IdxFormatError, match=r"It holds 26 .*EMNIST .*read_idx"):
        mnist.load_data(tmp_path)

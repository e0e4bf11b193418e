"""tinycnn.datasets.idx: what is written comes back, and bad bytes give IdxFormatError only."""

import gzip
import hashlib
import math
import os
import random
import struct
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mutations import wounded

from tinycnn.datasets import idx
from tinycnn.datasets.idx import format_idx, parse_idx, read_idx, sha256_of_idx, write_idx
from tinycnn.errors import IdxFormatError, TinyCNNError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def sample(dtype="int16", shape=(2, 3)):
    """An array whose elements differ in every byte that the dtype has."""
    count = math.prod(shape)
    array = np.arange(count * np.dtype(dtype).itemsize, dtype=np.uint8)
    return (array * 37 + 11).view(dtype).reshape(shape)


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype and actual.dtype.isnative
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()  # bits: a NaN equals itself
    assert actual.flags.c_contiguous and actual.flags.writeable and actual.flags.owndata


# --- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_round_trip(tmp_path_factory, name, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5))
    array = data.draw(hnp.arrays(dtype, shape))
    path = tmp_path_factory.mktemp("idx") / name
    write_idx(path, array)
    assert_same(read_idx(path), array)
    assert os.listdir(path.parent) == [name]


def test_bytes_worked_by_hand():
    array = np.array([[1, -2, 3], [256, -32768, 32767]], dtype=np.int16)
    assert format_idx(array) == bytes.fromhex(
        "00000b02 00000002 00000003 0001fffe0003 010080007fff"
    )
    assert_same(parse_idx(bytes.fromhex("00000d01 00000001 3fc00000"), "x"), np.float32([1.5]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", "<>")
def test_any_byte_order_and_memory_layout_is_written_the_same(dtype, order):
    array = sample(dtype, (4, 6))
    assert format_idx(array.astype(np.dtype(dtype).newbyteorder(order))) == format_idx(array)
    assert format_idx(np.asfortranarray(array)) == format_idx(array)
    assert_same(parse_idx(format_idx(array[::2, ::-3]), "x"), array[::2, ::-3].copy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_checksum_is_that_of_the_file(dtype):
    for array in (sample(dtype, (4, 6)), sample(dtype, (4, 6))[::2, ::-3], sample(dtype, (0, 3))):
        assert sha256_of_idx(array) == hashlib.sha256(format_idx(array)).hexdigest()


def test_the_checksum_takes_no_copy_of_the_array():
    array = np.zeros((1000, 28, 28), np.uint8)
    tracemalloc.start()
    try:
        sha256_of_idx(array)
        assert tracemalloc.get_traced_memory()[1] < array.nbytes / 10
    finally:
        tracemalloc.stop()


def test_the_array_is_not_changed_by_writing(tmp_path):
    array = sample("float64")
    before = array.tobytes()
    write_idx(tmp_path / "a", array)
    assert array.tobytes() == before


def test_most_dimensions():
    array = sample("int32", (1,) * 63 + (3,))
    assert_same(parse_idx(format_idx(array), "x"), array)


def test_packed_by_content_not_by_name(tmp_path):
    array = sample()
    (tmp_path / "raw.gz").write_bytes(format_idx(array))
    (tmp_path / "packed").write_bytes(gzip.compress(format_idx(array)))
    assert_same(read_idx(tmp_path / "raw.gz"), array)
    assert_same(read_idx(str(tmp_path / "packed")), array)


def test_packed_bytes_do_not_depend_on_the_time_or_the_name(tmp_path, monkeypatch):
    write_idx(tmp_path / "a.gz", sample())
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_idx(tmp_path / "b.gz", sample())
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == format_idx(sample())


# --- what cannot be written -----------------------------------------------------------------------

UNWRITABLE = [
    ([1, 2], "uint8, int8, int16, int32, float32, float64. Received: dtype=int64"),
    (np.zeros(2, bool), "Received: dtype=bool"),
    (np.zeros(2, np.uint16), "Received: dtype=uint16"),
    (np.zeros(2, np.float16), "Received: dtype=float16"),
    (np.array(["a"]), "Received: dtype=<U1"),
    (np.array([None]), "Received: dtype=object"),
    (np.zeros(2, [("a", "u1")]), "Received: dtype="),
    (np.uint8(3), "0 dimensions, not 1 to 64"),
    (np.broadcast_to(np.uint8(0), (2**14, 2**14)), "more than 268435456 bytes"),
    (np.zeros((0, 2**31), np.uint8), "more than 268435456 bytes"),
]


@pytest.mark.parametrize("array, words", UNWRITABLE)
def test_what_cannot_be_written_leaves_no_file(tmp_path, array, words):
    with pytest.raises(ValueError) as error:
        write_idx(tmp_path / "a.gz", array)
    assert words in str(error.value) and not isinstance(error.value, TinyCNNError)
    assert os.listdir(tmp_path) == []


# --- bad bytes ------------------------------------------------------------------------------------

RAW = format_idx(sample())
PACKED = gzip.compress(RAW, mtime=0)


def header(code, *shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


BAD = [
    (b"", "cut short: it holds 0 bytes"),
    (b"\0\0\x08", "cut short: it holds 3 bytes"),
    (b"<!DOCTYPE html><html>", "not an IDX file: it starts with b'<!DOCTYPE html><html>': text"),
    (b"label,pixel1\r\n5,0", "it starts with b'label,pixel1\\r\\n5,0': text, perhaps a web page"),
    (b"\x89PNG\r\n\x1a\n" + bytes(20), r"not an IDX file: it starts with b'\x89PNG\r\n\x1a\n'"),
    (b"\0\1" + RAW[2:], r"not an IDX file: it starts with b'\x00\x01\x0b\x02"),
    (b"\0\0\x0a\x01" + bytes(12), r"not an IDX file: it starts with b'\x00\x00\n\x01"),
    (RAW[3::-1] + RAW[4:], "byte-swapped (little-endian)"),
    (header(8), "0 dimensions, not 1 to 64"),
    (header(8) + b"\7", "0 dimensions, not 1 to 64"),
    (header(8, *[1] * 65) + b"\7", "65 dimensions, not 1 to 64"),
    (header(8, *[0] * 255), "255 dimensions, not 1 to 64"),
    (b"\0\0\x08\xff", "cut short in its header of 255 dimensions"),
    (header(8, 2, 3)[:-1], "cut short in its header of 2 dimensions"),
    (header(8, 60000, 28, 28) + bytes(99), "shape (60000, 28, 28), uint8) calls for 47040016"),
    (header(0x0E, 2**32 - 1, 2**32 - 1), "more than 268435456 bytes"),
    (header(0x0E, *[2**32 - 1] * 64), "more than 268435456 bytes"),
    (header(8, 0, 2**32 - 1, 2**32 - 1), "more than 268435456 bytes"),
    (header(8, 2**28), "more than 268435456 bytes"),
    (RAW[:-1], "cut short: it holds 23 bytes, and its header (shape (2, 3), int16) calls for 24"),
    (RAW + b"\0", "too long: it holds 25 bytes"),
    (PACKED + b"\0", "too long: 1 bytes follow the end of its gzip data"),
    (PACKED + PACKED, f"too long: it holds {2 * len(RAW)} bytes"),  # two members, two arrays
    (PACKED + PACKED[:-1], "cut short: its gzip data end too early"),
    (PACKED + PACKED + b"x", "too long: 1 bytes follow the end of its gzip data"),
    (PACKED[:-1], "cut short: its gzip data end too early"),
    (PACKED[:2], "cut short: its gzip data end too early"),
    (PACKED[:-5] + b"\xff" + PACKED[-4:], "gzip data are invalid"),  # the checksum
    (PACKED[:-1] + b"\xff", "gzip data are invalid"),  # the length
    (PACKED[:2] + b"\x09" + PACKED[3:], "gzip data are invalid"),  # the method
    (gzip.compress(b"<html>" * 9), "not an IDX file: it starts with b'<html>"),
    (gzip.compress(PACKED), r"not an IDX file: it starts with b'\x1f\x8b"),
    (gzip.compress(RAW + b"\0"), "too long: it holds 25 bytes"),
    (gzip.compress(b""), "cut short: it holds 0 bytes"),
]


@pytest.mark.parametrize("data, words", BAD, ids=range(len(BAD)))
def test_bad_bytes(tmp_path, data, words):
    path = tmp_path / "some-file"
    path.write_bytes(data)
    with pytest.raises(IdxFormatError) as error:
        read_idx(path)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{path} ")
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("whole", [RAW, PACKED], ids=["raw", "packed"])
def test_cut_at_every_byte(whole):
    for length in range(len(whole)):
        with pytest.raises(IdxFormatError, match="cut short"):
            parse_idx(whole[:length], "x")


def test_every_other_byte_in_place_of_each_of_the_header():
    for position in range(4):
        for value in set(range(256)) - {RAW[position]}:
            data = RAW[:position] + bytes([value]) + RAW[position + 1 :]
            if data[:3] == b"\0\0\x0b" or (position == 2 and value in idx.DTYPES):
                with pytest.raises(IdxFormatError, match=r"cut short|too long|damaged header"):
                    parse_idx(data, "x")
            else:
                with pytest.raises(IdxFormatError, match="not an IDX file"):
                    parse_idx(data, "x")


def test_what_the_system_refuses_stays_its_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path)


def test_a_bomb_is_given_up_at_the_limit(monkeypatch):
    limit = 2**20
    honest = gzip.compress(header(8, 64 * limit) + bytes(64 * limit), 1)
    lying = gzip.compress(header(8, 100) + bytes(64 * limit), 1)
    exact = gzip.compress(header(8, limit - 8) + bytes(limit - 8), 1)
    over = gzip.compress(header(8, limit - 8) + bytes(limit - 7), 1)
    monkeypatch.setattr(idx, "MAX_BYTES", limit)
    assert parse_idx(exact, "x").shape == (limit - 8,)
    for bomb in (honest, lying, over):
        assert_given_up(lambda bomb=bomb: parse_idx(bomb, "x"), limit)


@pytest.mark.parametrize("cut", [1, 4, len(RAW) // 2, len(RAW)])
def test_a_gzip_file_of_several_members_is_read(tmp_path, cut):
    """As `cat a.gz b.gz`, bgzip and pigz make them."""
    path = tmp_path / "array.gz"
    parts = [RAW[:cut], RAW[cut:], b""]
    path.write_bytes(b"".join(gzip.compress(part) for part in parts))
    np.testing.assert_array_equal(read_idx(path), parse_idx(RAW, "raw"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(PACKED))
    writer.start()
    np.testing.assert_array_equal(read_idx(path), parse_idx(RAW, "raw"))
    writer.join()


def test_a_device_without_end_is_given_up_at_the_limit(monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 2**20)
    assert_given_up(lambda: read_idx("/dev/zero"), 2**20)


def assert_given_up(read, limit):
    tracemalloc.start()
    try:
        with pytest.raises(IdxFormatError, match=f"more than {limit} bytes, the limit"):
            read()
        assert tracemalloc.get_traced_memory()[1] < 4 * limit
    finally:
        tracemalloc.stop()


@pytest.mark.full
def test_a_bomb_of_a_gibibyte_at_the_real_limit():
    bomb = gzip.compress(header(8, 2**30) + bytes(2**30), 1)
    start = time.perf_counter()
    with pytest.raises(IdxFormatError, match="more than 268435456 bytes"):
        parse_idx(bomb, "x")
    assert time.perf_counter() - start < 5


# --- fuzzing --------------------------------------------------------------------------------------


def bad_bytes(rng):
    """Random bytes, a random header, or a valid file with a few wounds; packed half of the time."""
    kind = rng.random()
    if kind < 0.1:
        data = rng.randbytes(rng.randrange(40))
    elif kind < 0.3:
        code = rng.choice([8, 9, 11, 12, 13, 14, 10])
        ndim = rng.choice([0, 1, 2, 3, 4, rng.randrange(256)])
        sides = [rng.choice([0, 1, 2, 3, 255, 2**16, 2**31, 2**32 - 1]) for _ in range(ndim)]
        data = header(code, *sides) + rng.randbytes(rng.randrange(20))
    else:
        shape = tuple(rng.randrange(4) for _ in range(rng.randrange(1, 4)))
        data = wounded(rng, format_idx(sample(rng.choice(DTYPES), shape)), rng.randrange(3))
    if rng.random() < 0.5:
        data = wounded(rng, gzip.compress(data, 1, mtime=0), rng.randrange(4))
    return data


@pytest.mark.parametrize("count", [5_000, pytest.param(200_000, marks=pytest.mark.full)])
def test_fuzz(count):
    rng = random.Random(count)
    good = 0
    for _ in range(count):
        good += array_or_error(bad_bytes(rng))
    assert 0.1 < good / count < 0.9


def array_or_error(data):
    """Whether these bytes are an array; anything but an array or IdxFormatError fails."""
    start = time.thread_time()
    try:
        array = parse_idx(data, "the file")
    except IdxFormatError as error:
        assert str(error).startswith("the file ")
        return False
    finally:
        assert time.thread_time() - start < 1
    # What was accepted says exactly what was in the file.
    plain = gzip.decompress(data) if data[:2] == idx.GZIP_MAGIC else data
    assert format_idx(array) == plain
    assert_same(array, array.copy())
    return True


SIDES = st.sampled_from([0, 1, 2, 3, 255, 2**16, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
HEADERS = st.builds(
    lambda code, shape, body: header(code, *shape) + body,
    st.sampled_from([*idx.DTYPES]) | st.integers(0, 255),
    st.lists(SIDES, max_size=70),
    st.binary(max_size=40),
)


@pytest.mark.parametrize("examples", [500, pytest.param(20_000, marks=pytest.mark.full)])
def test_whatever_hypothesis_finds(examples):
    plain = st.binary(max_size=60) | HEADERS
    packed = plain.map(lambda data: gzip.compress(data, 1, mtime=0))

    @given(plain | packed | st.binary().map(lambda data: idx.GZIP_MAGIC + data))
    @settings(max_examples=examples, deadline=None, database=None)
    def check(data):
        array_or_error(data)

    check()

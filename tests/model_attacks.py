"""Model files made to do harm, each named by what it attacks; `load_model` has to refuse them all.

An attack is a function from the bytes of a sound file, that of `sound_model`, to a hostile one.
"""

import io
import math
import pickle
import stat
import zipfile

import numpy as np
from mutations import npy, packed, rewritten, sealed, unpacked

from tinycnn import Dense, Input, Rescaling, Sequential

KERNEL = "weights/dense/kernel.npy"
MOMENT = "optimizer/0/m.npy"


def sound_model():
    """The smallest model with every part of a file: weights, optimizer state, two layers."""
    model = Sequential([Input((2,)), Rescaling(0.5), Dense(2, activation="softmax")], seed=5)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.train_on_batch(np.ones((2, 2)), np.eye(2))
    return model


class Bomb:
    """Unpickled, it leaves a file in the current folder."""

    def __reduce__(self):
        return open, ("exploded", "w")


OBJECTS = np.array([Bomb()], object)
PICKLED = npy(OBJECTS)
FLOATS = npy(np.ones((2, 2), np.float32))


# --- the file and the zip -------------------------------------------------------------------------


def foreign(data):
    stream = io.BytesIO()
    np.savez(stream, kernel=np.ones(3))
    return stream.getvalue()


def directory(change):
    """Changes the zip's directory, a list of ZipInfo, after all members were written."""
    return lambda data: packed(*unpacked(data), change=change)


def entry(**attributes):
    """The directory tells something else of the first array."""

    def change(infos):
        for name, value in attributes.items():
            setattr(infos[1], name, value)

    return directory(change)


def more(*pairs, listed=False):
    """Further members at the end; the manifest lists them and its hash fits, or it does not."""

    def attack(data):
        manifest, members = unpacked(data)
        return (sealed if listed else packed)(manifest, [*members.items(), *pairs])

    return attack


def overlapping(data):
    """A thousand names for the bytes of one member: a small file of half a gigabyte."""
    manifest, _ = unpacked(data)
    names = ["a" * (n + 1) for n in range(1000)]
    manifest["arrays"] = [{"name": n, "dtype": "float32", "shape": [100_000]} for n in names]

    def change(infos):
        for name in names[1:]:
            infos.append(zipfile.ZipInfo(f"{name}.npy"))
            for field in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(infos[-1], field, getattr(infos[1], field))

    return packed(manifest, {"a.npy": npy(np.zeros(100_000, np.float32))}, change=change)


ZIP = {
    "nothing": lambda data: b"",
    "text": lambda data: b"import os",
    "web page": lambda data: b"<!DOCTYPE html><title>Log in</title>",
    "pickle": lambda data: pickle.dumps(Bomb()),
    "npy": lambda data: FLOATS,
    "npy of objects": lambda data: PICKLED,
    "npz of somebody else": foreign,
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by a byte": lambda data: data[:-1],
    "second half zeros": lambda data: data[: len(data) // 2].ljust(len(data), b"\0"),
    "bomb": lambda data: rewritten(
        data, members={KERNEL: npy(np.zeros(2**24, np.uint8))}, compression=zipfile.ZIP_DEFLATED
    ),
    "bzip2": lambda data: rewritten(data, compression=zipfile.ZIP_BZIP2),
    "lzma": lambda data: rewritten(data, compression=zipfile.ZIP_LZMA),
    "unknown compression": entry(compress_type=99),
    "overlapping members": overlapping,
    "member of a tebibyte": entry(file_size=2**40, compress_size=2**40),
    "member that unpacks to more": entry(file_size=2**40),
    "member beyond the end": entry(header_offset=2**20),
    "encrypted member": entry(flag_bits=1),
    "wrong checksum": entry(CRC=0),
    "directory gone": directory(list.clear),
    "member gone": directory(list.pop),
    "members in another order": directory(list.reverse),
    "5,000 members": more(*[(f"{n}.npy", b"") for n in range(5000)]),
    "member not listed": more(("more.npy", FLOATS)),
    "program": more(("__init__.py", b"print()")),
    "folder": more(("weights/", b"")),
    "path out of the folder": more(("../../evil.npy", FLOATS)),
    "path out of the folder, listed": more(("../../evil.npy", FLOATS), listed=True),
    "path from the root": more(("/etc/evil.npy", FLOATS)),
    "NUL in a name": more(("a\0b.npy", FLOATS), listed=True),
    "member twice": more((KERNEL, FLOATS)),
    "member twice, listed twice": lambda data: more(
        (KERNEL, unpacked(data)[1][KERNEL]), listed=True
    )(data),
    "manifest twice": more(("manifest.npy", npy(np.ones(3, np.uint8)))),
    "symbolic link": lambda data: packed(
        *unpacked(rewritten(data, members={KERNEL: b"/etc/passwd"})),
        change=lambda infos: setattr(infos[1], "external_attr", (stat.S_IFLNK | 0o777) << 16),
    ),
}

# --- the arrays -----------------------------------------------------------------------------------


def kernel(content):
    """Other bytes for an array, and the manifest as it was."""
    return lambda data: rewritten(data, members={KERNEL: content})


def header(text, body=bytes(16)):
    """The bytes of an .npy file whose header is this text."""
    text = f"{text:118}\n".encode()
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + body


def form(shape, descr="'<f4'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


ARRAYS = {
    "empty member": kernel(b""),
    "pickled objects": kernel(PICKLED),
    "pickled objects behind a plain header": kernel(header(form("(2, 2)"), pickle.dumps(Bomb()))),
    "objects said to be there": kernel(header(form("(2, 2)", "'|O'"))),
    "Fortran order": kernel(npy(np.asfortranarray(np.ones((2, 2), np.float32)))),
    "another dtype of the same size": kernel(npy(np.ones((2, 2), np.int32))),
    "swapped bytes": kernel(npy(np.ones((2, 2), ">f4"))),
    "structured dtype": kernel(npy(np.zeros((2, 2), [("a", "<f4")]))),
    "text": kernel(npy(np.full((2, 2), "a"))),
    "another shape of the same size": kernel(npy(np.ones((4, 1), np.float32))),
    "other numbers": kernel(npy(np.full((2, 2), 7, np.float32))),
    "more bytes behind it": kernel(FLOATS + b"more"),
    "fewer bytes": kernel(FLOATS[:-1]),
    "version 2": kernel(b"\x93NUMPY\2" + FLOATS[7:]),
    "shape of a terabyte": kernel(header(form("(10**6, 10**6)"))),
    "terabyte": kernel(header(form("(1000000, 1000000)"))),
    "shape below 0": kernel(header(form("(-2, -2)"))),
    "shape that is a call": kernel(header(form("open('exploded', 'w')"))),
    "shape nested deeply": kernel(header(form("(" * 4000 + ")" * 4000))),
    "shape of many signs": kernel(header(form("(" + "-" * 9000 + "2, 2)"))),
    "header without an end": kernel(b"\x93NUMPY\1\0\xff\xff{" + bytes(99)),
}

# --- the manifest ---------------------------------------------------------------------------------


def text(content):
    """Other bytes for the manifest."""
    return lambda data: packed(np.frombuffer(content, np.uint8), unpacked(data)[1])


def manifest(change):
    return lambda data: rewritten(data, change)


def nested(value, depth=100_000):
    return b'{"format": ' + value[:1] * depth + value[1:] * depth + b"}"


MANIFEST = {
    "not JSON": text(b"\x80\x04cos\nsystem\n"),
    "no bytes": text(b""),
    "not UTF-8": text(b'{"format": "\xff"}'),
    "list": text(b"[]"),
    "number of 5,000 digits": text(b'{"format": ' + b"9" * 5000 + b"}"),
    "nested deeply": text(nested(b"[]")),
    "100,000 lists": text(b"[" + b"[]," * 100_000 + b"[]]"),
    "five million bytes": text(b'{"format": "%s"}' % (b"x" * 5 * 10**6)),
    "objects": lambda data: packed(OBJECTS, unpacked(data)[1]),
    "floats": lambda data: packed(np.ones(99), unpacked(data)[1]),
    "nothing in it": manifest(dict.clear),
    "another format": manifest(lambda m: m.update(format="x" * 10**6)),
    "newer version": manifest(lambda m: m.update(version=2)),
    "version of a megabyte": manifest(lambda m: m.update(version="9" * 10**6)),
    "no hash": manifest(lambda m: m.pop("sha256")),
    "wrong hash": manifest(lambda m: m.update(sha256="0" * 64)),
    "empty hash": manifest(lambda m: m.update(sha256=None)),
    "changed content": manifest(lambda m: m["content"].update(seed=6)),
    "NaN": manifest(lambda m: m["content"]["layers"][0]["config"].update(scale=math.nan)),
    "infinity": manifest(lambda m: m["content"]["layers"][0]["config"].update(scale=math.inf)),
    "no arrays": manifest(lambda m: m.update(arrays=[])),
    "arrays that are not there": manifest(lambda m: m["arrays"].append(m["arrays"][0])),
    "array of another name": manifest(lambda m: m["arrays"][0].update(name="../evil")),
    "array of a name that is no text": manifest(lambda m: m["arrays"][0].update(name=["a"])),
    "array of another shape": manifest(lambda m: m["arrays"][0].update(shape=[10**6, 10**6])),
    "array of objects": manifest(lambda m: m["arrays"][0].update(dtype="object")),
    "array of an unknown dtype": manifest(lambda m: m["arrays"][0].update(dtype="float128")),
}

# --- the model: files that are sound but for what they describe -----------------------------------


def content(change):
    """A changed description of the model, with a hash that fits."""

    def attack(data):
        manifest, members = unpacked(data)
        change(manifest["content"])
        return sealed(manifest, members)

    return attack


def dense(**config):
    return content(lambda c: c["layers"][1]["config"].update(config))


def layers(*described, **fields):
    """Other layers than the file has weights for."""
    described = [{"class": name, "config": config} for name, config in described]
    return content(lambda c: c.update(layers=described, **fields))


def array(name, value):
    """Another array, and the manifest says so."""

    def attack(data):
        manifest, members = unpacked(data)
        return sealed(manifest, members | {name: npy(value)})

    return attack


def conv(**config):
    return "Conv2D", {"name": "dense", "filters": 2, "kernel_size": 3, **config}


def axes(data):
    """Each of many small layers would keep a shape as long as half the file."""
    manifest, _ = unpacked(data)
    manifest["content"] |= {
        "input_shape": [1] * 10**5,
        "layers": [
            {"class": "Dense", "config": {"name": str(n), "units": 1, "use_bias": False}}
            for n in range(200)
        ],
        "compile": None,
    }
    one = npy(np.ones((1, 1), np.float32))
    return sealed(manifest, {f"weights/{n}/kernel.npy": one for n in range(200)})


MODEL = {
    "module for a layer": content(lambda c: c["layers"][1].update({"class": "os.system"})),
    "base class for a layer": content(lambda c: c["layers"][1].update({"class": "Layer"})),
    "list for a layer": content(lambda c: c["layers"][1].update({"class": []})),
    "layer of a megabyte": content(lambda c: c["layers"][1].update({"class": "x" * 10**6})),
    "a billion units": dense(units=10**9),
    "a billion units of zeros": dense(units=10**9, kernel_initializer="zeros"),
    "units of 4,000 digits": dense(units=10**4000),
    "no units": dense(units=0),
    "half a unit": dense(units=0.5),
    "text for units": dense(units="2"),
    "one unit more": dense(units=3),
    "no bias": dense(use_bias=False),
    "module for an initializer": dense(kernel_initializer="os.system"),
    "list for an initializer": dense(kernel_initializer=["zeros"]),
    "unknown argument": dense(code="print()"),
    "argument that writes on the terminal": dense(**{"\x1b]0;x\x07\n": 1}),
    "a billion inputs": content(lambda c: c["layers"][0]["config"].update(input_shape=[10**9])),
    "100,000 axes through 200 layers": axes,
    "name of another layer": dense(name="other"),
    "name that is no text": dense(name=5),
    "name of a megabyte": dense(name="x" * 10**6),
    "name with a path": dense(name="../../dense"),
    "name with a NUL": dense(name="dense\0"),
    "name used twice": content(lambda c: c["layers"][0]["config"].update(name="dense")),
    "a trillion filters": layers(conv(filters=10**12), input_shape=[9, 9, 1]),
    "kernel of a terabyte": layers(conv(kernel_size=10**6, padding="same"), input_shape=[9, 9, 1]),
    "channels of a terabyte": layers(conv(), input_shape=[9, 9, 10**12]),
    "images of a terabyte": layers(
        ("Flatten", {"name": "f"}),
        ("Dense", {"name": "dense", "units": 2}),
        input_shape=[10**6, 10**6],
    ),
    "20,000 layers": content(
        lambda c: c.update(
            layers=[{"class": "ReLU", "config": {"name": str(n)}} for n in range(20_000)]
        )
    ),
    "20,000 layers without names": content(
        lambda c: c.update(layers=[{"class": "ReLU", "config": {}}] * 20_000)
    ),
    "500 layers without names": content(
        lambda c: c.update(layers=[{"class": "ReLU", "config": {}}] * 500)
    ),
    "no layers": layers(),
    "text for layers": content(lambda c: c.update(layers="Dense")),
    "list for the content": lambda data: sealed(
        {**unpacked(data)[0], "content": []}, unpacked(data)[1]
    ),
    "input of another size": content(lambda c: c.update(input_shape=[3])),
    "no input": content(lambda c: c.update(input_shape=None)),
    "seed below 0": content(lambda c: c.update(seed=-1)),
    "dtype": content(lambda c: c.update(dtype="float16")),
    "dtype of other arrays": content(lambda c: c.update(dtype="float64")),
    "counter gone": content(lambda c: c.pop("epochs_trained")),
    "counter below 0": content(lambda c: c.update(steps_trained=-1)),
    "module for an optimizer": content(lambda c: c["compile"]["optimizer"].update({"class": "os"})),
    "text for a learning rate": content(
        lambda c: c["compile"]["optimizer"]["config"].update(learning_rate="fast")
    ),
    "module for a schedule": content(
        lambda c: c["compile"]["optimizer"]["config"].update(
            learning_rate={"class": "os.system", "config": {}}
        )
    ),
    "schedule without numbers": content(
        lambda c: c["compile"]["optimizer"]["config"].update(
            learning_rate={"class": "CosineDecay", "config": {}}
        )
    ),
    "steps below 0": content(lambda c: c["compile"].update(iterations=-1)),
    "module for a loss": content(lambda c: c["compile"]["loss"].update({"class": "os"})),
    "unknown metric": content(lambda c: c["compile"].update(metrics=["speed"])),
    "weights that broadcast": array(KERNEL, np.ones((1, 2), np.float32)),
    "weights of another dtype": array(KERNEL, np.ones((2, 2))),
    "weights in Fortran order": array(KERNEL, np.ones((2, 2), np.float32, order="F")),
    "weights of swapped bytes": array(KERNEL, np.ones((2, 2), ">f4")),
    "state that broadcasts": array(MOMENT, np.ones((1, 1), np.float32)),
    "state of another dtype": array(MOMENT, np.ones((2, 2), np.int64)),
    "array that belongs to nothing": array("weights/other/kernel.npy", np.ones(2, np.float32)),
}

ATTACKS = {
    f"{part}: {name}": attack
    for part, attacks in (("zip", ZIP), ("array", ARRAYS), ("manifest", MANIFEST), ("model", MODEL))
    for name, attack in attacks.items()
}

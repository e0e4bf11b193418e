"""Ways to damage files, for the tests that feed damaged ones: bytes, plain values, model files."""

import hashlib
import io
import json
import warnings
import zipfile

import numpy as np


def wounded(rng, data, wounds):
    """`data` with bytes changed, cut off, put in or taken out, in so many places."""
    data = bytearray(data)
    for _ in range(wounds):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(9))
            case 3:
                del data[at : at + rng.randrange(9)]
    return bytes(data)


JUNK = [None, True, 0, -1, 1, 2, 10**12, 10**400, 0.5, 1e308, "", "x", "relu", "a\0b\x1b"]
JUNK += [[], {}, [1], [0, 0], [-1], [10**9] * 3, [[]], {"name": "x"}, "zeros", "9" * 999]


def altered(rng, value):
    """A copy of a plain value in which one part, or the whole, is something else or gone."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.05:
        return rng.choice(JUNK)
    value = value.copy()
    key = rng.choice([*value] if isinstance(value, dict) else range(len(value)))
    if rng.random() < 0.1:
        del value[key]
    else:
        value[key] = altered(rng, value[key])
    return value


# --- model files ----------------------------------------------------------------------------------


def npy(array):
    """The bytes of an .npy file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def unpacked(data):
    """(manifest, {member: bytes}) of a sound model file; the members without the manifest."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(np.load(io.BytesIO(members.pop("manifest.npy"))).tobytes()), members


def pairs_of(members):
    return [*members.items()] if isinstance(members, dict) else [*members]


def packed(manifest, members, compression=zipfile.ZIP_STORED, change=lambda infos: None):
    """A model file of this manifest (or an array in its place) and members: a dict, or pairs.

    `change` gets the zip's directory, a list of ZipInfo, before it is written.
    """
    if isinstance(manifest, dict):
        manifest = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of a name used twice
        for name, content in [("manifest.npy", npy(manifest)), *pairs_of(members)]:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
        change(archive.filelist)
    return out.getvalue()


def rewritten(data, change=lambda manifest: None, members=None, **arguments):
    """The file with a changed manifest, or other members, and nothing damaged otherwise."""
    manifest, contents = unpacked(data)
    change(manifest)
    return packed(manifest, contents | (members or {}), **arguments)


def sealed(manifest, members):
    """The file of this manifest and members, with entries and a hash that fit them."""
    names = [name.removesuffix(".npy") for name, _ in pairs_of(members)]
    arrays = [np.load(io.BytesIO(content)) for _, content in pairs_of(members)]
    entries = [
        {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        for name, array in zip(names, arrays, strict=True)
    ]
    text = json.dumps([manifest["content"], entries], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        digest.update(array.tobytes())
    return packed({**manifest, "arrays": entries, "sha256": digest.hexdigest()}, members)

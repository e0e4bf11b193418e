"""Verified files of data sets, as they were downloaded, in the cache folder."""

from pathlib import Path

from tinycnn.datasets.download import Mirrors, fault
from tinycnn.errors import DownloadError
from tinycnn.support import console
from tinycnn.support.files import atomic_write


def read_cached(path: Path, size: int, sha256: str) -> tuple[bytes, str | None]:
    """The bytes at `path`, and what is wrong with them if something is."""
    try:
        with open(path, "rb") as file:
            data = file.read(size + 1)
    except FileNotFoundError:
        return b"", "is missing"
    except OSError as error:
        return b"", f"cannot be read ({error.strerror})"
    return data, fault(data, size, sha256)


def keep(path: Path, data: bytes, what: str) -> None:
    """Puts verified bytes into the cache; one that cannot be written is no reason to stop.

    Args:
        path: where they should be.
        data: the bytes.
        what: the data set's name, for the notice.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(data)
    except OSError as error:
        console.notice(
            f"{what} cannot be kept in {path.parent} ({error.strerror or error}), so "
            "every run downloads it again; set TINYCNN_HOME to a folder that can be written",
            once=True,
        )


def fetched(
    path: Path, size: int, sha256: str, what: str, mirrors: Mirrors, offline: bool, remedy: str
) -> bytes:
    """The file that belongs to `path`: from there or, downloaded and kept there, from a mirror.

    Args:
        path: its place in the cache; the mirrors know it by its name.
        size: of the file, in bytes.
        sha256: of the file.
        what: the data set's name.
        mirrors: who offers it.
        offline: if True, no connection is opened.
        remedy: how to get it by hand, for the error.

    Raises:
        DownloadError: if it can't be had.
    """
    data, why = read_cached(path, size, sha256)
    if why and offline:
        raise DownloadError(
            f"offline=True, and the cache does not hold {what}: {path} {why}\n{remedy}"
        )
    if why:
        try:
            data = mirrors.download(path.name, size, sha256)
        except DownloadError as error:
            raise DownloadError(f"{error}\n{remedy}") from error
        keep(path, data, what)
    return data

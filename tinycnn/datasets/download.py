"""Downloads a file of known size and SHA-256 from the first of several servers that has it.

Only https with the usual certificate checks, no redirects, status 200, and never more than one byte
beyond the expected size. Proxies from the environment are used, passwords in ~/.netrc are not.
"""

import hashlib
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from tinycnn.errors import DownloadError
from tinycnn.support.progress import Progress

if TYPE_CHECKING:  # loaded only when something is downloaded
    import requests

# Time limits in seconds; assign other numbers to change them.
ANSWER_SECONDS = 2.2  # for a server to answer; four that never do take less than 10
STALL_SECONDS = 10.0  # without a single byte
FILE_SECONDS = 120.0  # for a whole file of up to 16 MiB; a larger one has more in proportion

LONGEST_REASON = 160  # characters of an error: a host of 90 that has no address is told in full


def fault(data: bytes, size: int, sha256: str) -> str | None:
    """Why `data` is not the expected file, or None if it is."""
    if len(data) != size:
        length = "more" if len(data) > size else len(data)
        return f"holds {length} bytes instead of {size}"
    if (digest := hashlib.sha256(data).hexdigest()) != sha256:
        return f"is damaged: its SHA-256 is {digest} instead of {sha256}"
    return None


class Mirrors:
    """Servers that offer the same files; one that cannot be reached is not tried again.

    Args:
        urls: where the files are, in the order to try: "https://host/folder/".
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self.urls = tuple(urls)
        self.unreachable: dict[str, str] = {}  # url: why

    def download(self, name: str, size: int, sha256: str) -> bytes:
        """Downloads the file `name`, which must have this size in bytes and this SHA-256.

        Raises:
            DownloadError: if no server delivers it; the message gives the reason for each.
        """
        from urllib3.exceptions import HTTPError

        refused: dict[str, str] = {}
        with Progress(name, size, "B") as progress:
            for url in self.urls:
                if url in self.unreachable:
                    continue
                reasons = self.unreachable
                try:
                    with _open(url + name) as response:
                        reasons = refused
                        body = _receive(response, size, progress)
                    if why := fault(body, size, sha256):
                        raise DownloadError(f"what it sent {why}")
                    return body
                except DownloadError as error:
                    reasons[url] = str(error)
                except (OSError, HTTPError, HTTPException) as error:  # requests' are OSErrors
                    reasons[url] = _in_short(error)
        reasons = self.unreachable | refused
        lines = [f"\n  {url}{name}: {reasons[url]}" for url in self.urls]
        raise DownloadError(f"{name} could not be downloaded:{''.join(lines)}")


def _in_short(error: BaseException) -> str:
    """An error of requests in one line: the innermost of the errors that it wraps."""
    inner: list[BaseException] = [error]
    while inner:
        error = inner[0]
        parts = (getattr(error, "reason", None), *error.args)
        inner = [part for part in parts if isinstance(part, BaseException)]
    text = "".join(c if c.isprintable() else "?" for c in str(error).rpartition(": ")[2])
    if len(text) > LONGEST_REASON:  # which a server may have sent
        text = f"{text[:LONGEST_REASON].rpartition(' ')[0] or text[:LONGEST_REASON]} ..."
    return f"{type(error).__name__}: {text}"


def _open(url: str) -> "requests.Response":
    """The response to a GET of `url`: its head has arrived, its body is still to be received.

    The request runs in a thread, because no timeout of requests bounds the whole wait: each covers
    one address of the host or one piece of the head, and none covers the name server.
    """
    import requests

    if not url.startswith("https://"):
        raise DownloadError("not https")
    request = requests.Request("GET", url, headers={"Accept-Encoding": "identity"}).prepare()
    session = requests.Session()
    settings = session.merge_environment_settings(url, {}, True, None, None)
    # Not session.send: it reads the body of a redirect to its end even when told not to follow.
    adapter = session.get_adapter(url)
    answer: Future[requests.Response] = Future()

    def ask() -> None:
        try:
            response = adapter.send(
                request,
                stream=True,
                timeout=STALL_SECONDS,
                verify=settings["verify"] or True,
                proxies=settings["proxies"],
            )
        except Exception as error:  # raised by answer.result, in the caller's thread
            answer.set_exception(error)
        else:
            answer.set_result(response)

    def close_late(answer: "Future[requests.Response]") -> None:
        if answer.exception() is None:
            answer.result().close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(ANSWER_SECONDS)
    except TimeoutError:
        answer.add_done_callback(close_late)
        raise DownloadError(f"no answer within {ANSWER_SECONDS:g} s") from None


def _receive(response: "requests.Response", size: int, progress: Progress) -> bytes:
    """The body as it was sent, but at most one byte more than `size`."""
    if response.status_code != 200:
        raise DownloadError(f"status {response.status_code}")
    if "Transfer-Encoding" in response.headers:
        # http.client waits for a chunk's whole head, past any deadline; no mirror needs chunks.
        raise DownloadError("it is sent in chunks, not as one body")
    # The stream that urllib3 wraps: some urllib3 releases that requests allows lack read1.
    stream: Any = response.raw._original_response
    seconds = FILE_SECONDS * max(1.0, size / 2**24)
    deadline = time.monotonic() + seconds
    body = bytearray()
    while len(body) <= size:
        if time.monotonic() > deadline:
            raise DownloadError(f"only {len(body)} of {size} bytes within {seconds:g} s")
        # read1 returns what has arrived; read would wait for all of it, past the deadline.
        part = stream.read1(min(2**16, size + 1 - len(body)))
        if not part:
            break
        body += part
        progress.update(len(body))
    return bytes(body)

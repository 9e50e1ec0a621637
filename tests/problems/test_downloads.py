"""Downloads against a server on the loopback interface: checked, cached, resumed, and clear where they fail."""

import gzip
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from problems import images
from problems.download import DownloadError, cache_folder, fetch
from problems.images import FASHION_MNIST_FILES, fashion_mnist, read_idx

NAME = "file.bin"
CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """Serves ``files``; breaks off each answer after ``limit`` bytes; ``seen`` are the requests, path and range."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {NAME: CONTENT}
        self.limit: int | None = None
        self.ranges = True
        self.says_length = True
        self.seen: list[tuple[str, str | None]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.seen.append((self.path, wanted))
                if (body := server.files.get(self.path.removeprefix("/"))) is None:
                    self.send_error(404)
                    return
                first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
                if first and first >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206 if first else 200)
                if server.says_length:
                    self.send_header("Content-Length", str(len(body) - first))
                self.end_headers()
                self.wfile.write(body[first:][: server.limit])

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_downloaded_once_and_then_found_in_the_cache(server, tmp_path):
    first = fetch(NAME, MD5, server.url, tmp_path / "new" / "folder")
    again = fetch(NAME, MD5, server.url, tmp_path / "new" / "folder")

    assert first == again
    assert first.read_bytes() == CONTENT
    assert names(first.parent) == [NAME]
    assert server.seen == [(f"/{NAME}", None)]


def test_who_wants_a_file_that_is_being_downloaded_waits_for_it(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch(NAME, MD5, server.url, tmp_path).read_bytes(), range(4)))

    assert found == [CONTENT] * 4
    assert len(server.seen) == 1


def test_a_file_with_another_checksum_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(DownloadError, match=f"is not the file expected .md5 {MD5}, not {'0' * 32}.; download http"):
        fetch(NAME, "0" * 32, server.url, tmp_path)

    assert names(tmp_path) == []


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_that_is_too_large_is_given_up_and_not_kept(says_length, server, tmp_path, monkeypatch):
    monkeypatch.setattr("problems.download.LIMIT", len(CONTENT) - 1)
    server.says_length = says_length
    with pytest.raises(DownloadError, match=r"is larger than .* MiB, which no file here is; download http"):
        fetch(NAME, MD5, server.url, tmp_path)
    assert names(tmp_path) == []
    monkeypatch.setattr("problems.download.LIMIT", len(CONTENT))
    assert fetch(NAME, MD5, server.url, tmp_path).read_bytes() == CONTENT


def test_a_broken_download_is_kept_and_continued(server, tmp_path):
    server.limit = 4000
    with pytest.raises(DownloadError, match=r"4000 of 10240 bytes came\); try again"):
        fetch(NAME, MD5, server.url, tmp_path)
    assert names(tmp_path) == [f"{NAME}.part"]

    server.limit = None
    assert fetch(NAME, MD5, server.url, tmp_path).read_bytes() == CONTENT
    assert server.seen == [(f"/{NAME}", None), (f"/{NAME}", "bytes=4000-")]


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(server, tmp_path):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:100])
    server.ranges = False

    assert fetch(NAME, MD5, server.url, tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)

    assert fetch(NAME, MD5, server.url, tmp_path).read_bytes() == CONTENT


def test_a_wrong_part_is_thrown_away_so_that_the_next_try_starts_over(server, tmp_path):
    (tmp_path / f"{NAME}.part").write_bytes(b"x" * 100)
    with pytest.raises(DownloadError, match="is not the file expected"):
        fetch(NAME, MD5, server.url, tmp_path)

    assert fetch(NAME, MD5, server.url, tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_replaced(server, tmp_path):
    (tmp_path / NAME).write_bytes(b"damaged")

    assert fetch(NAME, MD5, server.url, tmp_path).read_bytes() == CONTENT


def test_a_file_the_server_does_not_have_is_named(server, tmp_path):
    with pytest.raises(DownloadError, match=r"cannot download http://.*/none.gz \(.*Not Found\)"):
        fetch("none.gz", MD5, server.url, tmp_path)


def test_without_network_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(DownloadError, match=f"refused.*put it at {tmp_path}/{NAME}, or set STEPSCAPE_CACHE"):
            fetch(NAME, MD5, nowhere, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(DownloadError, match="cannot download"):
        fetch(NAME, MD5, server.url, tmp_path / "file")


def test_the_cache_folder_is_the_named_one_else_the_users(monkeypatch):
    monkeypatch.setenv("STEPSCAPE_CACHE", "/somewhere/cache")
    assert cache_folder() == Path("/somewhere/cache")

    monkeypatch.delenv("STEPSCAPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/users/cache")
    assert cache_folder() == Path("/users/cache/stepscape")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/users/me")
    assert cache_folder() == Path("/users/me/.cache/stepscape")


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def small_set(server: Server) -> dict[str, str]:
    """Puts a set of 6 and 3 images on the server under the real names; returns names and md5 sums."""
    pixels, labels = np.arange(9 * 28 * 28).reshape(9, 28, 28) % 256, np.arange(9)
    parts = (pixels[:6], labels[:6], pixels[6:], labels[6:])
    for name, part in zip(FASHION_MNIST_FILES, parts, strict=True):
        server.files[name] = idx(part.astype(np.uint8))
    return {name: hashlib.md5(server.files[name]).hexdigest() for name in FASHION_MNIST_FILES}


def test_fashion_mnist_arrives_as_grey_rows_and_labels(server, tmp_path):
    files = small_set(server)
    split = fashion_mnist(tmp_path, server.url, files)
    again = fashion_mnist(tmp_path, server.url, files)

    assert (split.inputs.shape, split.held_inputs.shape) == ((6, 784), (3, 784))
    assert split.inputs[0, :3].tolist() == pytest.approx([0, 1 / 255, 2 / 255])
    assert (split.labels.tolist(), split.held_labels.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8])
    assert again.inputs.equal(split.inputs)
    assert len(server.seen) == 4


def test_the_registered_set_reads_folder_and_address_from_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "FASHION_MNIST_FILES", small_set(server))
    monkeypatch.setenv("STEPSCAPE_CACHE", str(tmp_path))
    monkeypatch.setenv("STEPSCAPE_FASHION_MNIST_URL", server.url)

    split = images._fashion_mnist.__wrapped__()

    assert len(split.labels) == 6
    assert names(tmp_path / "fashion-mnist") == sorted(FASHION_MNIST_FILES)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"not gzipped at all", id="not gzipped"),
        pytest.param(gzip.compress(b""), id="empty"),
        pytest.param(gzip.compress(b"plain text, but gzipped"), id="gzipped text"),
        pytest.param(idx(np.zeros((2, 3), np.uint8))[:-12], id="cut off"),
        pytest.param(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 5) + b"1234"), id="one byte short"),
        pytest.param(gzip.compress(struct.pack(">HBBI", 0, 13, 1, 1) + b"1234"), id="floats"),
    ],
)
def test_what_is_no_idx_file_is_named(content, tmp_path):
    (tmp_path / "labels.gz").write_bytes(content)

    with pytest.raises(DownloadError, match=r"labels.gz is no gzipped IDX file of bytes \(.*\); delete it"):
        read_idx(tmp_path / "labels.gz")

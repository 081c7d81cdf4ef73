"""A stand-in for openml.org on 127.0.0.1, with one small data set, for the download's tests."""

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import numpy as np
import pytest
from numpy.typing import NDArray

NAME = "mnist_784"
DATA_ID = 554
FILE_PATH = f"/data/v1/download/{DATA_ID}/{NAME}.arff"


@dataclass
class FakeOpenml:
    """What the server answers, and what it was asked."""

    arff: bytes
    features: int
    samples: int
    url: str = ""
    cut_after: int | None = None
    """Drop the connection after this many bytes of the archive."""
    file_status: int = 200
    """HTTP status of the archive."""
    hold: Event | None = None
    """Send half of the archive, then wait for this."""
    requests: Counter[str] = field(default_factory=Counter)
    """Times that each path was asked for."""

    def answer(self, path: str) -> object:
        """Return the JSON object for an API path, or None for an unknown one."""
        api = "/api/v1/json/data/"
        pixel: dict[str, object] = {"data_type": "numeric", "is_target": "false"}
        label: dict[str, object] = {
            "data_type": "nominal",
            "is_target": "true",
            "nominal_value": list("0123456789"),
        }
        common: dict[str, object] = {
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        names = [f"pixel{i + 1}" for i in range(self.features)]
        columns = [{"index": str(i), "name": n} | common | pixel for i, n in enumerate(names)]
        columns.append({"index": str(self.features), "name": "class"} | common | label)
        qualities = [{"name": "NumberOfInstances", "value": str(float(self.samples))}]
        description = {
            "id": str(DATA_ID),
            "name": NAME,
            "version": "1",
            "status": "active",
            "format": "ARFF",
            "file_id": str(DATA_ID),
            "url": self.url + FILE_PATH,
            "description": "made for a test",
            "md5_checksum": hashlib.md5(self.arff).hexdigest(),
        }
        answers: dict[str, object] = {
            f"{api}list/data_name/{NAME}/limit/2/data_version/1": {
                "data": {"dataset": [{"did": DATA_ID, "name": NAME, "version": 1}]}
            },
            f"{api}{DATA_ID}": {"data_set_description": description},
            f"{api}features/{DATA_ID}": {"data_features": {"feature": columns}},
            f"{api}qualities/{DATA_ID}": {"data_qualities": {"quality": qualities}},
        }
        return answers.get(path)


def write_arff(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """Return images (samples, features) and labels (samples,) as openml.org's ARFF has them."""
    lines = [f"@RELATION {NAME}"]
    lines += [f"@ATTRIBUTE pixel{i + 1} real" for i in range(images.shape[1])]
    lines += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "@DATA"]
    rows = zip(images.tolist(), labels.tolist(), strict=True)
    lines += [",".join(map(str, pixels)) + f",{label}" for pixels, label in rows]
    return ("\n".join(lines) + "\n").encode()


@contextmanager
def serve_openml(server: FakeOpenml, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenml]:
    """Serve on a free port, and turn scikit-learn there."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    point_sklearn_at(server.url, monkeypatch)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def point_sklearn_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace openml.org in the addresses that scikit-learn asks, whatever its version."""
    from sklearn.datasets import _openml

    for name, value in vars(_openml).items():
        if name.isupper() and isinstance(value, str) and value.startswith("https://"):
            monkeypatch.setattr(_openml, name, re.sub(r"^https://[^/]+", url, value))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def _handler(server: FakeOpenml) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests[self.path] += 1
            if self.path == FILE_PATH:
                self._send_file()
            elif (answer := server.answer(self.path)) is not None:
                self._send(200, json.dumps(answer).encode())
            else:
                self._send(404, b"{}")

        def _send_file(self) -> None:
            packed = gzip.compress(server.arff)
            if server.file_status != 200:
                self._send(server.file_status, b"")
                return
            self._start(200, len(packed), "gzip")
            if server.hold is not None:
                self.wfile.write(packed[: len(packed) // 2])
                server.hold.wait(20)
                packed = packed[len(packed) // 2 :]
            self.wfile.write(packed[: server.cut_after])
            self.close_connection = True

        def _send(self, status: int, body: bytes) -> None:
            self._start(status, len(body), "identity")
            self.wfile.write(body)

        def _start(self, status: int, length: int, encoding: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("Content-Encoding", encoding)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    return Handler

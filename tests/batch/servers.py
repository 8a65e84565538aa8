"""Web servers of this machine that stand in for those of the world: files by HTTP, buckets of S3 and Google."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_GOOGLE = "storage/v1/b/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Mapping[str, bytes]
    asked: list[str]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path).strip("/"), parse_qs(url.query)
        self.asked.append(path)
        if path.startswith(_GOOGLE):
            self._answer_as_google(url.path, query)
        elif "list-type" in query:
            self._send(200, self._listing(path, query), True)
        elif path not in self.files:
            self._send(404, b"", with_body)
        else:
            data, status = self.files[path], 200
            if wanted := self.headers.get("Range"):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                data, status = data[int(first) : int(last or len(data)) + 1], 206
            self._send(status, data, with_body)

    def _send(self, status: int, data: bytes, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Type", "application/xml" if data.startswith(b"<?xml") else "application/octet-stream")
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def _answer_as_google(self, path: str, query: Mapping[str, list[str]]) -> None:
        """Objects and their bytes, and lists of objects without folders of their own."""
        bucket, _, name = path.strip("/").removeprefix(_GOOGLE).partition("/o")
        key = f"{bucket}/{unquote(name.strip('/'))}"
        if not name:
            prefix = f"{bucket}/{query.get('prefix', [''])[0]}"
            found = [_google_object(*file) for file in sorted(self.files.items()) if file[0].startswith(prefix)]
            self._send(200, json.dumps({"kind": "storage#objects", "items": found}).encode(), True)
        elif key not in self.files:
            self._send(404, b"{}", True)
        elif query.get("alt") == ["media"]:
            self._send(200, self.files[key], True)
        else:
            self._send(200, json.dumps(_google_object(key, self.files[key])).encode(), True)

    def _listing(self, bucket: str, query: Mapping[str, list[str]]) -> bytes:
        """ListObjectsV2: files and, up to the delimiter, folders."""
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        files, folders = [], set()
        for name, data in sorted(self.files.items()):
            if not name.startswith(f"{bucket}/{prefix}"):
                continue
            key = name.removeprefix(f"{bucket}/")
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                files.append((key, len(data)))
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size>"
            "<LastModified>2026-11-02T10:00:00.000Z</LastModified></Contents>"
            for key, size in files
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>false</IsTruncated>'
            f"<KeyCount>{len(files) + len(folders)}</KeyCount>{contents}{common}</ListBucketResult>"
        )
        return text.encode()


def _google_object(key: str, data: bytes) -> dict[str, str]:
    bucket, _, name = key.partition("/")
    when = "2026-11-02T10:00:00Z"
    described = {"bucket": bucket, "name": name, "size": str(len(data)), "updated": when, "timeCreated": when}
    return {"kind": "storage#object", "generation": "1", "metageneration": "1", **described}


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server of these files by their paths: its address without a slash at the end, and the paths asked for."""
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"files": files, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()

"""Somebody who speaks to the app in Streamlit's own messages, without a browser: to be many, slow or unexpected."""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Self
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

_BOUNDARY = "part-of-a-form"


class Visitor:
    """One browser session.

    Args:
        url: of the app.
        page: to look at; "" is Home.
        origin: of the page that asks, if not the app's own.
        cookies: of an earlier visit.
        session: of an earlier visit, whose connection broke.

    Attributes:
        cookies: that the app, and what stands before it, have set.
        session_id: by which the server knows it.
        shown: what the last run of the page has drawn, as text.
    """

    def __init__(
        self,
        url: str,
        page: str = "",
        origin: str | None = None,
        cookies: Mapping[str, str] | None = None,
        session: str | None = None,
    ) -> None:
        self._url = url
        self.cookies = self._cookies(cookies or {})
        address = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
        self._stack = contextlib.ExitStack()
        self._socket = self._stack.enter_context(
            connect(
                address,
                origin=Origin(origin or url),
                additional_headers={"Cookie": self._cookie_line()},
                subprotocols=None if session is None else [Subprotocol(p) for p in ("streamlit", "token", session)],
                max_size=None,
                close_timeout=2,
            )
        )
        self._uploader = ""
        self.session_id = ""
        self.shown = ""
        self.open(page)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the page."""
        self._stack.close()

    def open(self, page: str) -> None:
        """Look at a page; "" is Home."""
        self._page = page
        self._run(BackMsg())

    def put(self, data: bytes, file_id: str = "file", name: str = "file.png") -> int:
        """Send a file as the uploader of the page would; the status of the answer."""
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode()
        return self.put_raw(head + data + f"\r\n--{_BOUNDARY}--\r\n".encode(), file_id)

    def put_raw(self, body: bytes, file_id: str = "file", declared: int | None = None) -> int:
        """Send a form as it stands, of which its header may say that it is longer; the status of the answer."""
        connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=60)
        connection.putrequest("PUT", f"/_stcore/upload_file/{self.session_id}/{file_id}")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
        connection.putheader("Content-Length", str(declared or len(body)))
        connection.putheader("Cookie", self._cookie_line())
        connection.putheader("X-Xsrftoken", self.cookies["_streamlit_xsrf"])
        connection.endheaders()
        with contextlib.suppress(OSError):  # refused while it came in
            connection.send(body)
        status = connection.getresponse().status
        connection.close()
        return status

    def look_at(self, data: bytes) -> int:
        """Send a file and have the page take it; the status of the answer."""
        status = self.put(data)
        self.choose("file", size=len(data))
        return status

    def choose(self, *file_ids: str, name: str = "file.png", size: int = 0) -> None:
        """Have the page take files that were sent, and wait for what it makes of them."""
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add(id=self._uploader)
        for file_id in file_ids:
            info: UploadedFileInfo = state.file_uploader_state_value.uploaded_file_info.add(
                file_id=file_id, name=name, size=size
            )
            info.file_urls.file_id = file_id
        self._run(message)

    def media(self) -> list[str]:
        """Addresses of the pictures that are shown."""
        return re.findall(r"/media/[0-9a-f]+\.\w+", self.shown)

    def _run(self, message: BackMsg) -> None:
        message.rerun_script.page_name = self._page
        self._socket.send(message.SerializeToString())
        self.watch()

    def watch(self) -> None:
        """Wait until the page has been drawn once more."""
        drawn = []
        while True:
            data = self._socket.recv(timeout=120)
            assert isinstance(data, bytes)
            forward = ForwardMsg.FromString(data)
            kind = forward.WhichOneof("type")
            if kind == "new_session":
                self.session_id = forward.new_session.initialize.session_id
            elif kind == "delta":
                element = forward.delta.new_element
                if element.WhichOneof("type") == "file_uploader":
                    self._uploader = element.file_uploader.id
                drawn.append(str(element))
            elif kind == "script_finished":
                self.shown = "\n".join(drawn)
                return

    def _cookies(self, known: Mapping[str, str]) -> dict[str, str]:
        """Those that are known, as far as the server does not set others."""
        connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=60)
        line = "; ".join(f"{name}={value}" for name, value in known.items())
        connection.request("GET", "/_stcore/health", headers={"Cookie": line} if line else {})
        answer = connection.getresponse()
        set_now = SimpleCookie()
        for header in answer.headers.get_all("Set-Cookie", []):
            set_now.load(header)
        connection.close()
        return {**known, **{name: morsel.value for name, morsel in set_now.items()}}

    def _cookie_line(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

"""HTTP to a camera: to its own host alone, and never more at once than a picture can be."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Final
from urllib.parse import unquote, urlsplit, urlunsplit

# A picture of 4K as a camera's worst JPEG has 8 MB.
MOST_BYTES_PER_PICTURE: Final = 32 << 20
_AGENT: Final = "facetraits"


class RefusedError(OSError):
    """The camera's server answers, but not with pictures.

    Attributes:
        status: of its answer, of HTTP.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status


class ElsewhereError(OSError):
    """The camera's server wants to be read at another host."""


class TooMuchError(OSError):
    """More came than a picture can be, and no picture was in it."""


class HttpCamera:
    """The body of a camera's answer, as a file that PyAV reads.

    Reading raises nothing: what cannot be read is the end of the file, and ``failure`` says why.

    Args:
        address: of the camera, with user and password where it needs them.
        timeout_s: how long the server may stay silent.

    Attributes:
        failure: why reading has come to an end, where that was no end of the video.
        media_type: as the server calls what it sends, in lower case.

    Raises:
        OSError: there is no answer; a RefusedError or an ElsewhereError where more is known.
    """

    failure: OSError | None = None

    def __init__(self, address: str, timeout_s: float) -> None:
        self._without_picture = 0
        parts = urlsplit(address)
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        if parts.username is not None:
            passwords.add_password(None, bare, unquote(parts.username), unquote(parts.password or ""))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=_any_certificate()),
            urllib.request.HTTPDigestAuthHandler(passwords),
            urllib.request.HTTPBasicAuthHandler(passwords),
            _SameHost(),
        )
        request = urllib.request.Request(bare, headers={"User-Agent": _AGENT})
        try:
            self._response: HTTPResponse = opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            raise RefusedError(error.code) from None
        except urllib.error.URLError as error:
            raise (error.reason if isinstance(error.reason, OSError) else OSError("no connection")) from None
        except HTTPException:
            raise OSError("no HTTP") from None
        self.media_type = self._response.headers.get_content_type()

    def starts_with(self, start: bytes) -> bool:
        """Whether the body does; nothing is taken from it."""
        return self._response.peek(len(start)).startswith(start)

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, as soon as there are any; none at the end."""
        if self.failure is not None:
            return b""
        try:
            data = self._response.read1(size)
        except (OSError, HTTPException) as error:
            self.failure = error if isinstance(error, OSError) else OSError("no HTTP")
            return b""
        self._without_picture += len(data)
        if self._without_picture > MOST_BYTES_PER_PICTURE:
            self.failure = TooMuchError("too much without a picture")
            return b""
        return data

    def read_all(self) -> bytes:
        """The whole body: of a still picture."""
        parts = []
        while data := self.read(1 << 16):
            parts.append(data)
        return b"".join(parts)

    def picture_came(self) -> None:
        """What was read so far has given a picture."""
        self._without_picture = 0

    def close(self) -> None:
        """Hang up."""
        self._response.close()


def _any_certificate() -> ssl.SSLContext:
    """Cameras make their own certificates, which no authority knows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class _SameHost(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).hostname != urlsplit(req.full_url).hostname:
            raise ElsewhereError("another host")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

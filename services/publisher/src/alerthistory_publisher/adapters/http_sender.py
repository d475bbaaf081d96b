"""Sends parcels by HTTP: only to destinations, no redirects, no proxies from the environment, no cookies.

No more of an answer than needed is read.
"""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from opentelemetry.trace import SpanKind

from alerthistory_common.telemetry import Telemetry, current_traceparent
from alerthistory_publisher.adapters.connections import Lookup, RefusedAddressError, connector, look_up
from alerthistory_publisher.domain.destinations import Destinations
from alerthistory_publisher.domain.outcomes import Answer, Outcome, sanitised
from alerthistory_publisher.domain.parcels import Parcel
from alerthistory_publisher.domain.targets import Target

_MAX_RESPONSE_BYTES = 64 * 1024
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_UNSENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, ValueError)
_BROKEN = "the connection broke before an answer came"
_HTTP_REFUSED = "http:// is not allowed: use https://, or set ALERTHISTORY_PUBLISHER_ALLOW_HTTP=true"
_ADDRESS_REFUSED = "{} is not a public address: allow its network by ALERTHISTORY_PUBLISHER_ALLOWED_NETWORKS"


class _PlainHttpError(Exception):
    """The URL has the scheme http, which is not allowed."""


class HttpSender:
    """The port ``Sender`` over httpx. With *allows_http*, URLs may be without TLS."""

    def __init__(self, client: httpx.AsyncClient, telemetry: Telemetry, *, allows_http: bool) -> None:
        self._client = client
        self._telemetry = telemetry
        self._allows_http = allows_http

    async def send(self, target: Target, parcel: Parcel) -> Answer:
        """Return what *target* answered. Takes at most the target's timeout, and never raises for what it does."""
        with self._telemetry.span(
            "deliver",
            kind=SpanKind.CLIENT,
            parent=parcel.parent,
            linked=[parcel.linked],
            attributes={"alerthistory.target": target.name},
        ) as span:
            answer = await self._post(target, parcel, traceparent=current_traceparent())
            span.set_attribute("http.response.status_code", answer.status)
            return answer

    async def _post(self, target: Target, parcel: Parcel, *, traceparent: str) -> Answer:
        headers = {**parcel.headers, **({"traceparent": traceparent} if traceparent else {})}
        status, retry_after, excerpt, secrets = 0, "", bytearray(), target.secrets
        try:
            url, auth = _parted(self._allowed(parcel.url))
            async with (
                asyncio.timeout(target.timeout_s),
                self._client.stream(parcel.method, url, headers=headers, content=parcel.body, auth=auth) as response,
            ):
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
                secrets = (*secrets, *_credentials(response.request))
                await _read(response, excerpt)
        except (
            TimeoutError,
            ValueError,
            httpx.HTTPError,
            httpx.InvalidURL,
            aiohttp.ClientError,
            _PlainHttpError,
        ) as error:
            if not status:
                return _failure(error, target)
        text = sanitised(excerpt.decode("utf-8", "replace"), secrets)
        return Answer(status=status, retry_after=retry_after, text=text, content=bytes(excerpt))

    def _allowed(self, text: str) -> httpx.URL:
        url = httpx.URL(text)
        if url.scheme == "http" and not self._allows_http:
            raise _PlainHttpError
        if url.scheme not in {"http", "https"}:  # aiohttp sends to ws:// and tcp:// too, without TLS.
            raise httpx.UnsupportedProtocol("neither http nor https")
        return url


@asynccontextmanager
async def open_sender(
    telemetry: Telemetry, destinations: Destinations, *, allows_http: bool = False, lookup: Lookup = look_up
) -> AsyncIterator[HttpSender]:
    """Yield a sender to *destinations*; leaving closes its connections. *lookup* is for tests."""
    # httpx's own transport takes four times the CPU for a request.
    async with (
        aiohttp.ClientSession(
            connector=connector(destinations, lookup),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            trust_env=False,
        ) as session,
        httpx.AsyncClient(
            transport=AiohttpTransport(client=session),
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113  # Every request has its target's timeout, over all of its parts.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"Accept-Encoding": "identity"},
        ) as client,
    ):
        yield HttpSender(client, telemetry, allows_http=allows_http)


def _parted(url: httpx.URL) -> tuple[httpx.URL, httpx.BasicAuth | None]:
    """Return *url* without user and password, and these: aiohttp refuses them in a URL beside the header of httpx."""
    if not url.userinfo:
        return url, None
    return url.copy_with(userinfo=b""), httpx.BasicAuth(url.username, url.password)


def _credentials(request: httpx.Request) -> list[str]:
    """Return what a receiver may echo of the user and the password, as they are sent and as they are written."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return []
    with suppress(ValueError):
        written = b64decode(encoded, validate=True).decode()
        return [text for text in (encoded, written, written.partition(":")[2]) if text]
    return [encoded]


async def _read(response: httpx.Response, excerpt: bytearray) -> None:
    async for chunk in response.aiter_raw():
        excerpt += chunk[: _MAX_RESPONSE_BYTES - len(excerpt)]
        if len(excerpt) >= _MAX_RESPONSE_BYTES:
            return


def _was_sent(cause: BaseException | None) -> bool:
    """Whether a connection was there and broke: the transport calls that by the same name as one that never was."""
    return isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        cause, aiohttp.ClientConnectorError
    )


def _refused_address(cause: BaseException | None) -> str:
    """Return the address that was refused, empty when none was or another one failed as well."""
    error = cause.os_error if isinstance(cause, aiohttp.ClientConnectorError) else None
    return error.address if isinstance(error, RefusedAddressError) else ""


def _failure(error: Exception, target: Target) -> Answer:
    """Return the answer that *error* stands for. Its text is ours: the library's may hold the URL."""
    if isinstance(error, _PlainHttpError):
        return Answer(outcome=Outcome.TRANSIENT, text=_HTTP_REFUSED)
    if address := _refused_address(error.__cause__):
        return Answer(outcome=Outcome.TRANSIENT, text=_ADDRESS_REFUSED.format(address))
    if isinstance(error, _UNSENDABLE):
        return Answer(outcome=Outcome.PERMANENT, text="the request cannot be sent: look at the target's URL")
    if _was_sent(error.__cause__):
        return Answer(outcome=Outcome.TRANSIENT, text=_BROKEN)
    if isinstance(error, _NEVER_SENT):
        return Answer(outcome=Outcome.TRANSIENT, text=f"no connection to {target.address}")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Answer(outcome=Outcome.AMBIGUOUS, text=f"no answer within {target.timeout_s:g} s")
    return Answer(outcome=Outcome.TRANSIENT, text=_BROKEN)

"""Sends parcels by HTTP: no redirects, no proxies from the environment, no cookies, no more than needed is read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from opentelemetry.trace import SpanKind

from alerthistory_common.telemetry import Telemetry, current_traceparent
from alerthistory_publisher.domain.outcomes import Answer, Outcome, sanitised
from alerthistory_publisher.domain.parcels import Parcel
from alerthistory_publisher.domain.targets import Target

_MAX_RESPONSE_BYTES = 64 * 1024
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_UNSENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, ValueError)
_BROKEN = "the connection broke before an answer came"
_KEEP_ALIVE_S = 30.0


class HttpSender:
    """The port ``Sender`` over httpx."""

    def __init__(self, client: httpx.AsyncClient, telemetry: Telemetry) -> None:
        self._client = client
        self._telemetry = telemetry

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
        status, retry_after, excerpt = 0, "", bytearray()
        try:
            async with (
                asyncio.timeout(target.timeout_s),
                self._client.stream(parcel.method, parcel.url, headers=headers, content=parcel.body) as response,
            ):
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
                await _read(response, excerpt)
        except (TimeoutError, ValueError, httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError) as error:
            if not status:
                return _failure(error, target)
        text = sanitised(excerpt.decode("utf-8", "replace"), target.secrets)
        return Answer(status=status, retry_after=retry_after, text=text, content=bytes(excerpt))


@asynccontextmanager
async def open_sender(telemetry: Telemetry) -> AsyncIterator[HttpSender]:
    """Yield a sender; leaving closes its connections."""
    # The session holds connections as long as they live; what bounds them is how much is sent to a target at a time.
    # httpx's own transport takes four times the CPU for a request.
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S, ssl=httpx.create_ssl_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
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
        yield HttpSender(client, telemetry)


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


def _failure(error: Exception, target: Target) -> Answer:
    """Return the answer that *error* stands for. Its text is ours: the library's may hold the URL."""
    if isinstance(error, _UNSENDABLE):
        return Answer(outcome=Outcome.PERMANENT, text="the request cannot be sent: look at the target's URL")
    if _was_sent(error.__cause__):
        return Answer(outcome=Outcome.TRANSIENT, text=_BROKEN)
    if isinstance(error, _NEVER_SENT):
        return Answer(outcome=Outcome.TRANSIENT, text=f"no connection to {target.address}")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Answer(outcome=Outcome.AMBIGUOUS, text=f"no answer within {target.timeout_s:g} s")
    return Answer(outcome=Outcome.TRANSIENT, text=_BROKEN)

"""Posts the webhooks of a story to the gateway at their moments, as patiently as Alertmanager does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from alerthistory_client.demo.scenario import Delivery
from alerthistory_common.errors import InvalidArgumentError, UnavailableError

# Alertmanager begins with half a second, and retries only what may pass.
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(slots=True)
class Played:
    """What was posted so far."""

    webhooks: int = 0
    seconds: int = 0
    alerts: int = 0
    refusals: list[str] = field(default_factory=list)


async def play(deliveries: Sequence[Delivery], *, url: str, timeout_s: float, on_played: Callable[[], None]) -> Played:
    """Post *deliveries* to the gateway at *url*, each at its moment; *on_played* is told after each.

    Raises UnavailableError when the gateway does not answer and goes on not to.
    """
    played, loop = Played(), asyncio.get_running_loop()
    began = loop.time()
    # Proxies of the environment are for other places than a gateway under trial.
    async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as http:
        for delivery in deliveries:
            await asyncio.sleep(began + delivery.at.total_seconds() - loop.time())
            response = await _post(http, f"{url.rstrip('/')}/webhook", delivery.body, is_first=not played.webhooks)
            played.webhooks += 1
            played.seconds += delivery.is_second
            played.alerts += delivery.alert_count
            if not response.is_success:
                played.refusals.append(f"HTTP {response.status_code}: {response.text[:200]}")
            on_played()
    return played


async def _post(http: httpx.AsyncClient, url: str, body: bytes, *, is_first: bool) -> httpx.Response:
    """Return the last answer; answers that a repetition may change are asked for again, a first contact is not."""
    for pause_s in (*_PAUSES_S[: 0 if is_first else None], None):
        try:
            response = await http.post(url, content=body, headers={"Content-Type": "application/json"})
            if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR or pause_s is None:
                return response
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise InvalidArgumentError(f"{url} is no HTTP address: {error}") from error
        except httpx.TransportError as error:
            if pause_s is None:
                raise UnavailableError(f"nothing answers at {url}") from error
        await asyncio.sleep(pause_s)
    raise AssertionError("the last attempt returns or raises")

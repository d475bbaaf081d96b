"""The demo: its story arrives at a gateway, however it answers."""

import json

from tests.integration.client.command import ahctl
from tests.integration.client.fake_gateway import FakeGateway
from tests.processes import free_ports


async def test_posts_the_story_and_says_what_to_look_at() -> None:
    gateway = FakeGateway(200)
    async with gateway.serving() as url:
        finished = await ahctl("demo", "--url", url, "--speed", "600", "--seed", "1")
    assert (finished.status, finished.err) == (0, "")
    assert set(gateway.paths) == {"/webhook"}
    assert f"Sent {len(gateway.bodies)} webhooks" in finished.out
    assert f"{url}/history" in finished.out
    assert "ahctl alerts --firing" in finished.out
    assert all(json.loads(body)["version"] == "4" for body in gateway.bodies)


async def test_tries_again_when_the_gateway_is_overloaded() -> None:
    gateway = FakeGateway(200, 503, 200)
    async with gateway.serving() as url:
        finished = await ahctl("demo", "--url", url, "--speed", "600", "--json")
    assert finished.status == 0
    assert finished.json["webhooks"] == len(gateway.bodies) - 1
    assert gateway.bodies[1] == gateway.bodies[2]


async def test_refusals_are_told_and_fail() -> None:
    gateway = FakeGateway(401)
    async with gateway.serving() as url:
        finished = await ahctl("demo", "--url", url, "--speed", "600")
    assert finished.status == 1
    assert finished.err == "refused: HTTP 401: {}\n"


async def test_without_a_gateway_the_error_says_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    finished = await ahctl("demo", "--url", url)
    assert finished.status == 1
    assert f"nothing answers at {url}" in finished.err
    assert "make run" in finished.err


async def test_an_address_without_http_is_named() -> None:
    finished = await ahctl("demo", "--url", "127.0.0.1:8080")
    assert finished.status == 1
    assert "is no HTTP address" in finished.err

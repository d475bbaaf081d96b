"""The OpenAPI document and its pages: what is served is what is described."""

import gc
import json
import re

import pytest
from starlette.routing import Route

from alerthistory_gateway.legacy.routing import LegacyRouter
from alerthistory_gateway.openapi import document
from tests.integration.gateway.conftest import Gateway

# Described before they are served. Whoever adds a route takes its path away here.
NOT_YET_SERVED = frozenset(
    {
        "/proxy/filters/rules",
        "/proxy/filters/rules/{rule_name}",
        "/proxy/health",
        "/proxy/stats",
        "/proxy/targets",
        "/proxy/targets/refresh",
        "/publishing/health",
        "/publishing/mode",
        "/publishing/secrets/template",
        "/publishing/stats",
        "/publishing/targets",
        "/publishing/targets/refresh",
        "/publishing/test/{target_name}",
    }
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
PAGES = ["/api/openapi.json", "/api/docs", "/api/redoc", "/docs/oauth2-redirect"]


async def test_every_route_is_described_and_what_is_described_is_served(gateway: Gateway) -> None:
    described = {
        (method.upper(), path)
        for path, item in document()["paths"].items()
        for method in item
        if method.upper() in METHODS and path not in NOT_YET_SERVED
    }
    assert _served() == described


@pytest.mark.parametrize("path", PAGES)
async def test_pages_have_a_head(gateway: Gateway, path: str) -> None:
    whole = await gateway.client.get(path)
    head = await gateway.client.head(path)
    assert (whole.status_code, head.status_code, head.content) == (200, 200, b"")
    assert (await gateway.client.post(path)).status_code == 405
    for name in ("content-type", "content-length"):
        assert head.headers[name] == whole.headers[name]


async def test_document_is_served_as_json(gateway: Gateway) -> None:
    answer = await gateway.client.get("/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content) == document()


@pytest.mark.parametrize("path", PAGES[1:])
async def test_pages_load_their_files_from_here_and_run_nothing_else(gateway: Gateway, path: str) -> None:
    page = await gateway.client.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'; script-src 'self';" in page.headers["content-security-policy"]
    assert "://" not in page.text
    assert not re.search(r"<script(?! src=)|<style|\son\w+=", page.text)
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)
    assert assets
    for asset in assets:
        found = await gateway.client.get(asset)
        assert found.status_code == 200
        assert found.headers["x-content-type-options"] == "nosniff"


async def test_files_that_show_the_document_ask_nobody_else_for_images(gateway: Gateway) -> None:
    assert b"//cdn." not in (await gateway.client.get("/assets/redoc.js")).content


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/dashboard_grouped"])
async def test_paths_of_other_frameworks_do_not_exist(gateway: Gateway, path: str) -> None:
    assert (await gateway.client.get(path)).status_code == 404


def _served() -> set[tuple[str, str]]:
    """Return what the running gateway serves: the files of pages left out, and of a path for all methods POST alone."""
    served = set()
    for router in gc.get_objects():
        if type(router) is LegacyRouter:
            for route in router.routes:
                assert isinstance(route, Route)
                methods = route.methods or set()
                takes_all = set(METHODS) <= methods
                served |= {(method, route.path) for method in (("POST",) if takes_all else methods)}
    return {(method, path) for method, path in served if not path.startswith("/assets/")}

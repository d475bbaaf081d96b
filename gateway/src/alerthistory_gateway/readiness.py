"""Whether requests make sense now."""

import asyncio

from alerthistory_gateway.clients import Services

_CHECK_LIMIT_S = 1.0


class Readiness:
    """Asks the services without which nothing can be stored or shown."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def is_ready(self) -> bool:
        """Whether every one of them says that it serves."""
        async with asyncio.TaskGroup() as tasks:
            checks = [
                tasks.create_task(self._services.is_serving(name, timeout_s=_CHECK_LIMIT_S))
                for name in self._services.needed
            ]
        return all(check.result() for check in checks)

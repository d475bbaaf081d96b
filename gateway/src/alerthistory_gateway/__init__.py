"""The HTTP gateway: the legacy REST bytes, limits and the web page; everything else is asked of the services."""

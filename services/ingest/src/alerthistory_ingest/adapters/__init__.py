"""How the ingest service reaches other services, traces and metrics."""

"""The use cases of the ingest service."""

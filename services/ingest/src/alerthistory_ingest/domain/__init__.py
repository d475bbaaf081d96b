"""The rules of the ingest service, without I/O."""

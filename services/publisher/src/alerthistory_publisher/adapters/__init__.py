"""The technology behind the ports: SQL, HTTP, files."""

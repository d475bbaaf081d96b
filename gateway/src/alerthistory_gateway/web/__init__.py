"""The web page: static files, kept as package data."""

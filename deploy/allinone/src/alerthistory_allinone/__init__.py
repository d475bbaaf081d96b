"""All of Alert History in one process, and the five services as five."""

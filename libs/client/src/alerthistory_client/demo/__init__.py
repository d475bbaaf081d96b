"""A story of realistic alerts: told by ``scenario``, played by ``player``."""

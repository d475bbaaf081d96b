"""The program ``ahctl``."""

import os
import sys


def main() -> None:
    """Run the command line; exits 0 when all went well, 1 when something failed, 2 when it was called wrongly."""
    # gRPC reads it when it is loaded: its own log lines say nothing that our errors do not say better.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from alerthistory_client.cli.root import ahctl

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    ahctl(prog_name="ahctl")


if __name__ == "__main__":
    main()

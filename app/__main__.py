"""Starts the app: ``python -m app``, ``python -m app --help``."""

import errno
import logging
import socket
import sys

from pydantic import ValidationError
from pydantic_settings import CliApp

from app.settings import AppSettings


def _listen(settings: AppSettings) -> socket.socket:
    """Bind the address before a model is loaded, so that a taken port ends in one line."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off (40 ms per answer) only where the protocol is named
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        words = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise SystemExit(
            f"Port {settings.port} on {settings.host} {words}. Take another: python -m app --port {settings.port + 1}, "
            f"or --port 0 for any free one."
        ) from None
    return bound


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    try:
        settings = CliApp.run(AppSettings, cli_args=sys.argv[1:] if arguments is None else arguments)
    except ValidationError as error:
        faults = "\n".join(f"  --{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise SystemExit(f"python -m app: {error.error_count()} fault(s)\n{faults}") from None
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("app").setLevel(logging.INFO)
    listening = _listen(settings)
    # seconds of imports, so after --help and the port
    from app.http.server import Server
    from app.main import create_app

    if settings.threads:
        import torch

        torch.set_num_threads(settings.threads)
    app = create_app(settings)
    port = listening.getsockname()[1]
    shown = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else settings.host
    logging.getLogger("app").info("Product search is at http://%s:%d (channel %s)", shown, port, settings.channel)
    Server(app, settings).run(sockets=[listening])


if __name__ == "__main__":
    main()

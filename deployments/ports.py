"""Ports of this machine that are free."""

import socket

from deployments.processes import ServiceFailed


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(first: int, host: str = "127.0.0.1", tries: int = 50) -> int:
    """The first free port from ``first`` on; 0 asks the system for any."""
    if first == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    for port in range(first, min(first + tries, 65536)):
        if port_is_free(port, host):
            return port
    raise ServiceFailed(f"ports {first} to {first + tries - 1} of {host} are all in use: give another one")

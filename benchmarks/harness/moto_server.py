"""moto's S3 server, whose conditional writes are atomic as S3's are.

python -m benchmarks.harness.moto_server -H 127.0.0.1 -p 5000

moto looks at the tag and then writes, in a thread for each request: on a busy machine two writers both found the tag
they expected, and both were told that they had won.
"""

from threading import Lock
from typing import Any

from moto.s3.responses import S3Response
from moto.server import main


def make_writes_atomic() -> None:
    """Let this process's moto answer one PUT of an object after another. To be called once."""
    put, one_write = S3Response.put_object, Lock()

    def put_alone(self: S3Response) -> Any:
        with one_write:
            return put(self)

    S3Response.put_object = put_alone  # type: ignore[method-assign]


if __name__ == "__main__":
    make_writes_atomic()
    main()

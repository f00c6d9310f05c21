"""A moto S3 server on the loopback interface, for fixtures and commands."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from uuid import uuid4

_AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def s3_endpoint() -> Iterator[str]:
    """Runs a server on a free port and gives its URL. While it runs, the standard AWS variables point to it."""
    from moto.server import ThreadedMotoServer

    _make_put_atomic()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = dict(os.environ)
    os.environ.update(_AWS, AWS_ENDPOINT_URL=f"http://{host}:{port}")
    try:
        yield f"http://{host}:{port}"
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()


@cache
def _make_put_atomic() -> None:
    """Makes moto handle one PUT at a time, because it checks the condition first and writes later, so that two writers may win."""
    from moto.s3.responses import S3Response

    lock, put_object = Lock(), S3Response.put_object

    def atomic_put_object(response: S3Response) -> object:
        with lock:
            return put_object(response)

    S3Response.put_object = atomic_put_object  # type: ignore[method-assign, assignment]


def make_bucket() -> str:
    """Name of a fresh bucket."""
    from workers.sources.s3 import make_client

    name = f"test-{uuid4().hex[:12]}"
    make_client().create_bucket(Bucket=name)
    return name


@contextmanager
def s3_server() -> Iterator[str]:
    """Runs a server of its own and gives the name of a new bucket on it."""
    with s3_endpoint():
        yield make_bucket()

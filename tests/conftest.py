"""Servers and clusters that tests share: one moto S3 and one private Ray for the whole session."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

_AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """URL of a moto server on a free port of the loopback interface; the standard AWS variables lead to it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    before = dict(os.environ)
    os.environ.update(_AWS, AWS_ENDPOINT_URL=endpoint)
    yield endpoint
    os.environ.clear()
    os.environ.update(before)
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """Name of a fresh bucket."""
    from workers.s3 import make_client

    name = f"test-{uuid4().hex[:12]}"
    make_client().create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def ray_session(s3_endpoint: str) -> Iterator[None]:
    """One private Ray; asks for S3 first, so that its workers inherit the way to it."""
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=256 * 1024**2,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real documents beside the repository; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real documents (../shared) are not beside this repository")
    return SHARED

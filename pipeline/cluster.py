"""Which Ray a run uses: the one this process has joined, a cluster's, or a private one that ends with the run."""

import contextlib
import os
from collections.abc import Iterator

from pipeline.errors import OperatorError
from pipeline.observer import Observer
from schemas.masking import masked, masked_url
from schemas.settings import RaySettings, Settings


def cluster_address(settings: RaySettings) -> str | None:
    """None: a private Ray."""
    return settings.address or os.environ.get("RAY_ADDRESS")


def keep_to_loopback(settings: RaySettings) -> None:
    """A private Ray listens on 127.0.0.1 only. Ray reads the switch when it is imported, so call this first: `_node_ip_address`
    of `ray.init` is turned back into the machine's own address."""
    if cluster_address(settings) is None:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


@contextlib.contextmanager
def cluster(settings: RaySettings, observer: Observer) -> Iterator[int]:
    """Gives the number of CPUs that Ray has. Raises OperatorError where the cluster cannot be joined."""
    keep_to_loopback(settings)
    import ray

    if ray.is_initialized():
        yield _num_cpus()
        return
    address = cluster_address(settings)
    observer.phase("starting", f"Ray at {masked_url(address)}" if address else "a private Ray on this machine")
    try:
        if address:
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init(
                address="local",
                num_cpus=settings.num_cpus,
                object_store_memory=settings.object_store_bytes,
                include_dashboard=False,
                log_to_driver=False,
            )
    except (ConnectionError, ray.exceptions.AuthenticationError) as error:
        raise OperatorError(_refusal(masked_url(address or "a private Ray"), error)) from error
    try:
        yield _num_cpus()
    finally:
        ray.shutdown()


def _refusal(address: str, error: BaseException) -> str:
    """Ray tells a wrong token, or none, in the traceback that its error's cause quotes."""
    cause: BaseException | None = error
    while cause is not None:
        if "AuthenticationError" in f"{type(cause).__name__}: {cause}":
            named = "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token names, and RAY_AUTH_MODE=token"
            return f"The Ray cluster at {address} wants another token than {named}."
        cause = cause.__cause__
    return f"No Ray cluster answers at {address}: {masked(str(error))}"


def check_gpus(settings: Settings, observer: Observer) -> None:
    """Without it readers would wait for a GPU for ever, and without a word. Raises OperatorError where none can come."""
    import ray

    engine = settings.engine
    asked, there = engine.num_gpus * engine.min_actors, float(ray.cluster_resources().get("GPU", 0))
    if asked <= there:
        return
    if cluster_address(settings.ray) is None:
        raise OperatorError(
            f"engine.num_gpus asks for {asked:g} GPUs to start with, and Ray finds {there:g} here; with engine.num_gpus=0 it runs "
            "on the CPU."
        )
    observer.message(f"the cluster has {there:g} GPUs now and {asked:g} are asked for: waiting until it grows")


def _num_cpus() -> int:
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))

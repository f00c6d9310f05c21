"""What the engine `server` is, and whether its settings can be right. No I/O and no httpx, because plans and drivers ask this."""

import os
from urllib.parse import urlsplit

from schemas.settings import EngineSettings
from workers.engines.engine import EngineInfo, EngineStartError
from workers.engines.profiles.profile import Profile, ProfileError, choose_profile, is_as_before, profile_text

NO_ADDRESS = "`engine.server.base_url` is no address: look at its host and port."


def describe(settings: EngineSettings) -> EngineInfo:
    """Describes the engine, without the endpoint's address, because a model answers the same on another host."""
    options = settings.server.model_dump(mode="json", include={"image_format", "response_format"})
    profile = profile_of(settings)
    if not is_as_before(profile):
        options["profile"] = f"{profile.name} {profile.digest}"
    return EngineInfo(
        name="server", model=settings.model, revision=settings.revision, tasks=profile.tasks, options=options, profile=profile
    )


def profile_of(settings: EngineSettings) -> Profile:
    """The profile by which the model is asked. Raises EngineStartError."""
    try:
        return choose_profile(settings.server.profile, settings.model)
    except ProfileError as error:
        raise EngineStartError(str(error)) from error


def portable(settings: EngineSettings) -> EngineSettings:
    """The settings with a profile's text in place of its path, because other machines do not have the file. Raises
    EngineStartError."""
    if not settings.server.profile.endswith(".toml"):
        return settings
    try:
        text = profile_text(settings.server.profile)
    except ProfileError as error:
        raise EngineStartError(str(error)) from error
    return settings.model_copy(update={"server": settings.server.model_copy(update={"profile": text})})


def check(settings: EngineSettings, *, runs_here: bool) -> None:
    """Raises EngineStartError if the endpoint's address, its model or its key cannot be right. It sends nothing."""
    address_of(settings)
    model_of(settings)
    if runs_here:
        key_of(settings)


def address_of(settings: EngineSettings) -> str:
    given = settings.server.base_url
    if not given:
        raise EngineStartError("The engine `server` needs `engine.server.base_url`, such as http://localhost:8000/v1.")
    address = given.rstrip("/") + "/"
    try:
        url = urlsplit(address)
        has_host, _ = bool(url.hostname), url.port
    except ValueError:
        raise EngineStartError(NO_ADDRESS) from None
    if url.scheme not in ("http", "https") or not has_host:
        raise EngineStartError("`engine.server.base_url` must start with http:// or https:// and name a host.")
    return address


def model_of(settings: EngineSettings) -> str:
    if not settings.model:
        raise EngineStartError("The engine `server` needs `engine.model`, the name under which the endpoint serves it.")
    return settings.model


def key_of(settings: EngineSettings) -> str:
    """The API key; empty if there is none."""
    variable = settings.server.api_key_env
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise EngineStartError(f"The key in {variable} holds characters that no key has.")
    return key

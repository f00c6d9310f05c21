"""Settings, resolved once: flags over environment over TOML over defaults. An unknown name ends the command.

--set render.dpi_max=200                 a flag, any setting
PAGEFOLD_RENDER__DPI_MAX=200             the environment; lists as JSON or `a,b`, as with --set
[render]                                 pagefold.toml here, or --config FILE
dpi_max = 200
"""

import contextlib
import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.errors import OperatorError
from schemas.masking import masked
from schemas.settings import Settings

ENV_PREFIX = "PAGEFOLD_"
DEFAULT_FILE = Path("pagefold.toml")

_KUBERNETES = re.compile(r"PAGEFOLD_(SERVICE_(HOST|PORT)|PORT)(_|$)")
"""What Kubernetes puts into every pod's environment where a Service is called `pagefold`: none of ours."""


class Setting(NamedTuple):
    """One leaf of `Settings`."""

    name: str
    """Dotted: `render.dpi_max`."""
    info: FieldInfo

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.name.upper().replace(".", "__")

    @property
    def is_secret(self) -> bool:
        return SecretStr in _types(self.info.annotation)

    @property
    def is_list(self) -> bool:
        return get_origin(self.info.annotation) is list

    @property
    def default(self) -> Any:
        default = self.info.get_default(call_default_factory=True)
        return None if default is PydanticUndefined else default


def all_settings(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Setting]:
    """Every leaf, in the order of `schemas.settings`."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from all_settings(info.annotation, f"{prefix}{name}.")
        else:
            yield Setting(prefix + name, info)


def resolve(
    flags: Mapping[str, Any] | None = None, assignments: Sequence[str] = (), file: Path | None = None, directory: Path | None = None
) -> Settings:
    """All settings. `flags` by dotted name (None: not given); `assignments` as given to `--set`, the later one wins.

    Without `file`, `pagefold.toml` in `directory` (the working directory) is read where it is present.
    Raises OperatorError naming the setting, and for an unknown one the closest there is.
    """
    given = [(name, value) for name, value in (flags or {}).items() if value is not None]
    given += [_assignment(text) for text in assignments]
    environment = _read_environment()
    toml = _read_toml(file, directory or Path())

    class Layers(Settings, BaseSettings):
        """Settings, once more, with somewhere to come from."""

        model_config = SettingsConfigDict()

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, lambda: environment, lambda: toml  # type: ignore[return-value]

    try:
        layers = Layers(**_nested(given))
    except ValidationError as error:
        raise OperatorError(_sentence(error)) from None
    return Settings.model_construct(**{name: getattr(layers, name) for name in Settings.model_fields})


def dump(settings: Settings) -> dict[str, Any]:
    """For people and for `runs.settings_json`: plain JSON values, secrets as stars, those in URLs too."""
    return settings.model_dump(mode="json")


def changed(settings: Settings) -> dict[str, Any]:
    """Dotted names and values of what is not at its default; secrets as stars."""
    flat = dict(_flat(dump(settings)))
    defaults = dict(_flat(dump(Settings())))
    return {name: value for name, value in flat.items() if value != defaults[name]}


def parse_value(setting: Setting, text: str) -> Any:
    """What `text` means for this setting; Pydantic checks the type. `null` unsets; lists are JSON or `a,b`.

    A password may hold a comma, or anything else: a text that is no JSON list is one password.
    """
    if setting.is_list and setting.is_secret:
        return _passwords(text)
    if text == "null":
        return None
    if not setting.is_list:
        return text
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise OperatorError(f"{setting.name} wants a list, as JSON or as `a,b`.") from None


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise OperatorError(f"--set wants NAME=VALUE, such as render.dpi_max=200; got {masked(text)!r}.")
    known = {setting.name: setting for setting in all_settings()}
    name = name.strip()
    if name not in known:
        raise OperatorError(_unknown(f"setting {name!r}", name, list(known)))
    return name, parse_value(known[name], value)


def _passwords(text: str) -> list[Any]:
    with contextlib.suppress(json.JSONDecodeError):
        if isinstance(values := json.loads(text), list):
            return values
    return [text] if text else []


def _read_environment() -> dict[str, Any]:
    """Not pydantic-settings' own source: it drops names it does not know, where we would rather stop, and wants lists as JSON."""
    known = {setting.env: setting for setting in all_settings()}
    given = []
    for name, text in sorted(os.environ.items()):
        if not name.upper().startswith(ENV_PREFIX) or _KUBERNETES.match(name):
            continue
        if (setting := known.get(name.upper())) is None:
            raise OperatorError(_unknown(f"environment variable {name}", name.upper(), list(known)))
        given.append((setting.name, parse_value(setting, text)))
    return _nested(given)


def _read_toml(file: Path | None, directory: Path) -> dict[str, Any]:
    path = file or directory / DEFAULT_FILE
    try:
        with path.open("rb") as stream:
            values = tomllib.load(stream)
    except FileNotFoundError:
        if file is None:
            return {}
        raise OperatorError(f"there is no settings file {file}.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OperatorError(f"the settings file {path} cannot be read: {error}.") from None
    known = [setting.name for setting in all_settings()]
    for name, _ in _flat(values):
        if name not in known:
            raise OperatorError(_unknown(f"setting {name!r} in {path}", name, known))
    return values


def _unknown(what: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or _same_ending(name, known)
    return f"unknown {what}" + (f"; did you mean {close[0]}?" if close else "; `pagefold plan` and schemas/README.md list all.")


def _same_ending(name: str, known: list[str]) -> list[str]:
    """`dpi_max` is close to `render.dpi_max`, however the letters count."""
    return [candidate for candidate in known if re.split(r"\.|__", candidate)[-1].lower() == re.split(r"\.|__", name)[-1].lower()]


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, in words, without the value (it may be a password)."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}."


def _nested(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in pairs:
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _types(annotation: Any) -> set[Any]:
    return {annotation}.union(*(_types(arg) for arg in get_args(annotation)))

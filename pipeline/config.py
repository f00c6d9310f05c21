"""Settings are resolved once: flags win over the environment, TOML and defaults, in this order. An unknown name ends the command.

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
from schemas.failure import Task
from schemas.masking import masked
from schemas.settings import EnginesSettings, Settings

ENV_PREFIX = "PAGEFOLD_"
DEFAULT_FILE = Path("pagefold.toml")

_KUBERNETES = re.compile(r"PAGEFOLD_(.*_)?(SERVICE_(HOST|PORT)(_.*)?|PORT_[0-9]+_.*)=.*|PAGEFOLD_(.*_)?PORT=\w+://.*")
"""Variables, with their values, that Kubernetes sets in every pod beside a Service called `pagefold`, or `pagefold-endpoint`. They
are no settings of ours; `PAGEFOLD_METRICS_PORT=9464` is a mistyped one."""


class Setting(NamedTuple):
    """One leaf of `Settings`."""

    name: str
    """Dotted name, such as `render.dpi_max`."""
    info: FieldInfo

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.name.upper().replace(".", "__")

    @property
    def is_secret(self) -> bool:
        return SecretStr in _types(self.info.annotation)

    @property
    def is_list(self) -> bool:
        return any(get_origin(kind) is list for kind in (self.info.annotation, *get_args(self.info.annotation)))

    @property
    def default(self) -> Any:
        default = self.info.get_default(call_default_factory=True)
        return None if default is PydanticUndefined else default


def all_settings(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Setting]:
    """Every setting, in the order of `schemas.settings`."""
    for name, info in model.model_fields.items():
        section = next((part for part in _types(info.annotation) if isinstance(part, type) and issubclass(part, BaseModel)), None)
        if section is not None:
            yield from all_settings(section, f"{prefix}{name}.")
        else:
            yield Setting(prefix + name, info)


def resolve(
    flags: Mapping[str, Any] | None = None, assignments: Sequence[str] = (), file: Path | None = None, directory: Path | None = None
) -> Settings:
    """Resolves all settings. `flags` has values by dotted name (None: not given); of `assignments` (`--set`) the later one wins.

    Without `file`, `pagefold.toml` in `directory` (default: the working directory) is read if it exists.
    Raises OperatorError with the setting's name, and for an unknown name with the closest known one.
    """
    given = [(name, value) for name, value in (flags or {}).items() if value is not None]
    given += [_assignment(text) for text in assignments]
    environment = _read_environment()
    toml = _read_toml(file, directory or Path())

    class Layers(Settings, BaseSettings):
        """The same settings as a pydantic-settings model, which knows sources."""

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
    """The settings as plain JSON values for people and for `runs.settings_json`. Secrets are stars, passwords in URLs too."""
    return settings.model_dump(mode="json")


def changed(settings: Settings) -> dict[str, Any]:
    """Values of the settings that are not at their default, by dotted name. Secrets are stars.

    Of a task's engine its name is shown, and what does not follow from that and from `[engine]`.
    """
    values = dump(settings)
    follows = dict(_flat(dump(Settings())))
    for task in get_args(Task):
        if (table := values["engine"][task]) is not None:
            common = {name: value for name, value in values["engine"].items() if name not in get_args(Task)}
            bare = EnginesSettings.model_validate({**common, task: {"name": table["name"]}}).model_dump(mode="json")[task]
            del bare["name"]
            follows |= _flat({"engine": {task: bare}})
    return {name: value for name, value in _flat(values) if name not in follows or value != follows[name]}


def parse_value(setting: Setting, text: str) -> Any:
    """The value that `text` stands for; Pydantic checks its type later. `null` unsets a setting; lists are JSON or `a,b`.

    A list of passwords must be JSON. Any other text is one password, because a password may hold a comma.
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
    """Settings from the environment. pydantic-settings' own source is not used: it ignores unknown names and wants JSON lists."""
    known = {setting.env: setting for setting in all_settings()}
    given = []
    for name, text in sorted(os.environ.items()):
        if not name.upper().startswith(ENV_PREFIX):
            continue
        if (setting := known.get(name.upper())) is None:
            if _KUBERNETES.fullmatch(f"{name}={text}"):
                continue
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
    return f"unknown {what}" + (
        f"; did you mean {close[0]}?" if close else "; `pagefold plan IN OUT --json` and schemas/README.md list all."
    )


def _same_ending(name: str, known: list[str]) -> list[str]:
    """Known names with the same last part: `dpi_max` finds `render.dpi_max`, which get_close_matches does not."""
    return [candidate for candidate in known if re.split(r"\.|__", candidate)[-1].lower() == re.split(r"\.|__", name)[-1].lower()]


def _sentence(error: ValidationError) -> str:
    """The first error in words, without the value, because the value may be a password."""
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

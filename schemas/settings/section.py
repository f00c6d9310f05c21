"""What all sections of the settings share."""

from collections.abc import Iterator
from typing import Any

from pydantic import SerializerFunctionWrapHandler, field_serializer

from schemas.frozen import Frozen
from schemas.masking import masked_values

MEBI = 1024**2


class Section(Frozen):
    @field_serializer("*", mode="wrap", when_used="json")
    def _without_secrets(self, value: Any, plain: SerializerFunctionWrapHandler) -> Any:
        """Masks passwords in URLs, because the JSON of settings is for people and tables. Workers get the pickled objects."""
        return masked_values(plain(value))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return ((name, masked_values(value)) for name, value in super().__repr_args__())

"""The base class of every model that crosses a process or lands in a file."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A model that cannot be changed once it is made. An unknown field is an error.

    A class that must be able to read what its later versions, with more fields, have written says `extra="ignore"`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

"""The base of every model that crosses a process or lands in a file."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Never changed once it is made; a field that it does not know is an error.

    A class whose later versions may have more fields, and are read by this one all the same, says `extra="ignore"`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

"""How large what is said of a page may be, and the types that hold numbers to it. A sandboxed renderer may say anything."""

from typing import Annotated

from pydantic import AllowInfNan, Field

MAX_WORDS = 100_000
"""Most words of a page's text layer, and of all its regions together. A newspaper's page has 15,000."""
MAX_CHARS = 1_000_000
"""Most characters of these words."""
MAX_DRAWN_CHARS = 200_000
"""Most characters of the answer that a region's drawing gives. 6,000 points of a scatter plot take 120,000."""
MAX_SIDE_PT = 1e6
FAR_PX = 1e9
"""Bound for positions and sizes of words, so that what is computed from them is finite."""

Finite = Annotated[float, AllowInfNan(False)]
Count = Annotated[int, Field(ge=0, lt=1 << 31)]
Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Pixels = Annotated[float, Field(ge=-FAR_PX, le=FAR_PX, allow_inf_nan=False)]
Dpi = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PageDpi = Annotated[float, Field(ge=1e-5, le=1e9, allow_inf_nan=False)]
PagePoints = Annotated[float, Field(gt=0, le=MAX_SIDE_PT, allow_inf_nan=False)]
SidePixels = Annotated[int, Field(gt=0, lt=1 << 24)]

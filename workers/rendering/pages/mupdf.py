"""MuPDF without the models that PyMuPDF 2 brings along: all of `workers` import `pymupdf` from here.

`import pymupdf` takes in `pymupdf.layout` and `pymupdf4llm` where they are installed, and with them onnxruntime, for functions that
nothing here calls. No variable and no switch leaves them out; both imports stand in a `try` for ImportError, since either may be
missing, and None in `sys.modules` is Python's own way to say so. Source: PyMuPDF 2.0, __init__.py; docs.python.org, "sys.modules".
"""

import sys

_LEFT_OUT = ("pymupdf.layout", "pymupdf4llm")
_kept_out = [name for name in _LEFT_OUT if sys.modules.setdefault(name, None) is None]  # type: ignore[arg-type]
try:
    import pymupdf
finally:
    for _name in _kept_out:  # who asks for one by name later gets it
        del sys.modules[_name]

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
pymupdf.TOOLS.unset_quad_corrections(True)
"""Boxes of characters as MuPDF has them. `pymupdf4llm` switches this at its import: the boxes are the same with and without it."""


def raise_if_out_of_memory(error: Exception) -> None:
    """MuPDF reports a failed allocation as an error like any other."""
    text = str(error).lower()
    if "malloc" in text or "calloc" in text or "out of memory" in text or "bad_alloc" in text:
        raise MemoryError(str(error)) from error


__all__ = ["pymupdf", "raise_if_out_of_memory"]

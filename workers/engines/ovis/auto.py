"""Makes transformers' Auto classes know Ovis2.5. After importing this module

AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder), AutoConfig.from_pretrained(folder)

load the official files without remote code.
"""

from functools import wraps
from typing import Any

from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedConfig

from workers.engines.ovis.model.configuration import Ovis2_5Config
from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration
from workers.engines.ovis.processor import Ovis2_5Processor


def register() -> None:
    """Registers the classes. Calling it again does no harm."""
    AutoConfig.register(Ovis2_5Config.model_type, Ovis2_5Config, exist_ok=True)
    AutoModelForImageTextToText.register(Ovis2_5Config, Ovis2_5ForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(Ovis2_5Config, Ovis2_5Processor, exist_ok=True)
    _prefer_our_processor()


def _prefer_our_processor() -> None:
    """Makes AutoProcessor check for Ovis2.5 folders first, because their official preprocessor_config.json names `SiglipProcessor`,
    which AutoProcessor would use before it looks at the model type. Other folders are handled as before."""
    original = AutoProcessor.from_pretrained.__func__
    if getattr(original, "knows_ovis2_5", False):
        return

    @wraps(original)
    def from_pretrained(cls: type, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        found: dict[str, Any] = {}
        if "config" not in kwargs:
            try:
                found, _ = PreTrainedConfig.get_config_dict(
                    pretrained_model_name_or_path,
                    **{k: kwargs[k] for k in ("revision", "local_files_only", "token") if k in kwargs},
                )
            except (OSError, ValueError):
                found = {}  # no config.json: the original function handles that
        if found.get("model_type") == Ovis2_5Config.model_type:
            return Ovis2_5Processor.from_pretrained(pretrained_model_name_or_path, **kwargs)
        return original(cls, pretrained_model_name_or_path, **kwargs)

    from_pretrained.knows_ovis2_5 = True  # type: ignore[attr-defined]
    AutoProcessor.from_pretrained = classmethod(from_pretrained)  # type: ignore[arg-type]


register()

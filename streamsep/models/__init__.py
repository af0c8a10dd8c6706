"""Models by name, what their files say and don't say, and the built-in ones themselves.

MODEL_CARD.md tells where the built-in ones come from and what they are bad at.
"""

from streamsep.models.library import (
    BUILTIN,
    GROUP,
    FoundModel,
    builtin_models,
    find_model,
    imported_folder,
    imported_names,
    imported_path,
    known_models,
    model_name,
)
from streamsep.spec import SUFFIX

__all__ = [
    "BUILTIN",
    "GROUP",
    "SUFFIX",
    "FoundModel",
    "builtin_models",
    "find_model",
    "imported_folder",
    "imported_names",
    "imported_path",
    "known_models",
    "model_name",
]

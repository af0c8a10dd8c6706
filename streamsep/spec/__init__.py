"""What models are: the metadata that a model file holds, and what they may say."""

from streamsep.spec.model_spec import (
    ESTIMATE_OUTPUT,
    FEATURES_INPUT,
    FREE_AXIS,
    METADATA_KEY,
    SCHEMA,
    SUFFIX,
    ModelSpec,
    SeparatorSpec,
    StateSpec,
)
from streamsep.spec.spec_checks import (
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MAX_STEMS,
    MIN_SAMPLE_RATE,
    NORMALISATIONS,
    OF_A_KIND,
    PADDINGS,
    STEM_NAME,
)

__all__ = [
    "ESTIMATE_OUTPUT",
    "FEATURES_INPUT",
    "FREE_AXIS",
    "MAX_CHANNELS",
    "MAX_SAMPLE_RATE",
    "MAX_STEMS",
    "METADATA_KEY",
    "MIN_SAMPLE_RATE",
    "NORMALISATIONS",
    "OF_A_KIND",
    "PADDINGS",
    "SCHEMA",
    "STEM_NAME",
    "SUFFIX",
    "ModelSpec",
    "SeparatorSpec",
    "StateSpec",
]

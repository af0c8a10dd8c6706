"""Sixteen-bit floating point: half the size, and on GPUs faster products.

Inputs, outputs and with them the states stay float32, so that whatever runs the model needn't know.
CPUs have no such products: onnxruntime runs the file there in float32, no faster.
"""

from __future__ import annotations

import onnx
from onnx import ModelProto, helper


def to_fp16(model: ModelProto) -> ModelProto:
    """Return an fp16 copy of a float32 graph; the metadata comes along."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    copy = ModelProto()
    copy.CopyFrom(model)
    half = OnnxModel(convert_float_to_float16(copy, keep_io_types=True))
    half.topological_sort()  # the casts of inputs and outputs were put at the end
    converted: ModelProto = half.model
    helper.set_model_props(converted, {p.key: p.value for p in model.metadata_props})
    onnx.checker.check_model(converted)
    return converted


def is_fp16(model: ModelProto) -> bool:
    """Say whether a graph has fp16 weights."""
    return any(t.data_type == onnx.TensorProto.FLOAT16 for t in model.graph.initializer)

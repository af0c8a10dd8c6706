"""Read ONNX files and run them as the host does."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError

from streamsep.errors import ModelError


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises
    ------
    ModelError
        When the file is missing or isn't a sound ONNX model.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except OSError as error:
        raise ModelError(
            f"{path} can't be read ({error})", expected="an ONNX file", remedy="check the path"
        ) from error
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"{path} is not a sound ONNX file",
            expected="an ONNX file",
            remedy="export it again with 'python -m export onnx'",
        ) from error
    return model


def open_session(path: Path) -> ort.InferenceSession:
    """Return a session on one CPU thread, the way the host runs the model."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

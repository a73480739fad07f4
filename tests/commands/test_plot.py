"""The gallery as pictures: the names in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib import font_manager

import cli
from commands.plot import NAME_FONTS, draw_matrix, save_picture
from gallery.overview.overview import Similarity
from gallery.records.feed import PersonRef
from utils.modality import Modality

HAS_FONTS = any(Path(path).name in NAME_FONTS for path in font_manager.findSystemFonts())


def draw(png: Path, name: str) -> None:
    """Write the matrix of a gallery of one person."""
    people = (PersonRef(1, "a", name),)
    alike = Similarity(Modality.FUSED, people, np.ones((1, 1), np.float32), total=1)
    save_picture(draw_matrix(alike, 0.3), png)


def test_a_name_without_a_font_is_told_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    draw(tmp_path / "a.png", "Ann Lee")
    assert capsys.readouterr().err == ""
    draw(tmp_path / "b.png", "홍길동")
    assert capsys.readouterr().err.count("fonts-noto-cjk") == 1
    assert (tmp_path / "b.png").stat().st_size


@pytest.mark.skipif(not HAS_FONTS, reason="no font with Korean signs is installed")
def test_korean_names_are_drawn_where_there_are_fonts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path / "a.png", "홍길동")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("picture", ["map", "similarity"])
def test_what_is_no_png_file_or_shows_nobody_is_refused(
    picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    for name in ("a.pdf", "a.jpg"):
        refused = CliRunner().invoke(cli.cli, ["plot", picture, str(tmp_path / name)])
        assert refused.exit_code == 2
        assert "End it in .png" in refused.output
    empty = CliRunner().invoke(cli.cli, ["plot", picture, str(tmp_path / "a.png")])
    assert empty.exit_code == 1
    assert "invalid_request: A picture of the gallery needs somebody" in empty.output
    assert not [warning for warning in recwarn if warning.category is UserWarning]
    assert not list(tmp_path.glob("a.*"))

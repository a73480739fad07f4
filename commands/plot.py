"""The gallery as pictures: what the page /people shows, as PNG files."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.shared import open_recognizer, output_file, place_option, refusals
from commands.wording import modality_words
from utils.errors import InvalidRequestError
from utils.path_option import PathOption
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.overview.overview import GalleryMap, Place, Similarity
    from gallery.store import Store

MODALITY = click.Choice(["fused", "face", "voice"])
METHODS = {"pca": "PCA", "tsne": "t-SNE"}
INCHES = 9.0
DPI = 150
NAMED = 40
"""People up to whom a picture has their names in it."""
NAME_FONTS = frozenset(
    {
        "NotoSansCJK-Regular.ttc",
        "NotoSerifCJK-Regular.ttc",
        "NanumGothic.ttf",
        "AppleSDGothicNeo.ttc",
        "malgun.ttf",
        "msyh.ttc",
    }
)
"""Files of fonts with Korean or Chinese signs, which the one of Matplotlib lacks."""


class PngOption(PathOption):
    """A path of a PNG file. A name that ends as other pictures do is refused."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Convert the text, or refuse it."""
        file = super().convert(value, param, ctx)
        if Path(os.fsdecode(file)).suffix.lower() not in ("", ".png"):
            self.fail(f"The picture is a PNG file. Received: {value}. End it in .png.", param, ctx)
        return file


@click.group()
def plot() -> None:
    """Draw the gallery as PNG: a map of its templates, or how alike its people are."""


@plot.command("map")
@click.argument("png", type=PngOption(dir_okay=False, path_type=Path), callback=place_option)
@click.option(
    "--modality", type=MODALITY, default="fused", show_default=True, help="Which embeddings."
)
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="pca",
    show_default=True,
    help="How they are laid out.",
)
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@click.option(
    "--clip",
    type=PathOption(exists=True, dir_okay=False, path_type=Path),
    help="Show this clip among them; nothing is stored.",
)
@refusals
def plot_map(*, png: Path, modality: str, method: str, search: str, clip: Path | None) -> None:
    """Write the map of the gallery to PNG.

    It has a dot for each template and a colour for each person.
    """
    from gallery.overview.overview import MAX_MAP_PEOPLE
    from recognition.requests import ClipFile
    from utils.modality import Modality

    which = Modality(modality)
    with open_recognizer(first=lambda store: _refuse_nobody(store, search)) as recognizer:
        vector = None
        if clip is not None:
            vector = recognizer.observe(ClipFile(clip, clip.name)).vector_of(which)
        gallery_map = recognizer.overview.map_of(
            which, method, search, MAX_MAP_PEOPLE, probe=vector
        )
    _refuse_empty(len(gallery_map.places))
    save_picture(_draw_map(gallery_map), png)
    templates = count_noun(len(gallery_map.places), "template")
    people = count_noun(gallery_map.people, "person", "people")
    click.echo(f"{png}: {templates} of {people} ({gallery_map.total} in all).")


@plot.command("similarity")
@click.argument("png", type=PngOption(dir_okay=False, path_type=Path), callback=place_option)
@click.option(
    "--modality", type=MODALITY, default="fused", show_default=True, help="Which embeddings."
)
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@refusals
def plot_similarity(png: Path, modality: str, search: str) -> None:
    """Write the matrix of similarities to PNG: a square for every two people."""
    from utils.modality import Modality

    with open_recognizer(first=lambda store: _refuse_nobody(store, search)) as recognizer:
        similarity = recognizer.overview.similarity(Modality(modality), search)
        threshold = recognizer.pair_threshold(similarity.modality)
    _refuse_empty(len(similarity.people))
    save_picture(draw_matrix(similarity, threshold), png)
    total = count_noun(similarity.total, "person", "people")
    click.echo(
        f"{png}: {len(similarity.people)} of {total}. Scores over {threshold:.2f} count as one"
        " person's."
    )


def _refuse_nobody(store: Store, search: str) -> None:
    """Raise InvalidRequestError where a search finds nobody."""
    _refuse_empty(len(store.keys_fitting(search, 1)))


def _refuse_empty(count: int) -> None:
    """Raise InvalidRequestError where there is nothing to draw."""
    if not count:
        raise InvalidRequestError(
            "A picture of the gallery needs somebody with such templates. There is nobody",
            "Enrol people first, or change --search and --modality.",
        )


def _make_figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot: no window system, nothing global

    figure = Figure(figsize=(INCHES, INCHES), layout="constrained")
    return figure, figure.add_subplot()


def _name_fonts() -> list[str]:
    """Find the fonts for names: that of Matplotlib, then those of the system with more signs."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    families = ["DejaVu Sans"]
    for path in sorted(findSystemFonts()):
        if Path(path).name in NAME_FONTS:
            fontManager.addfont(path)  # its list of fonts may be older than the font
            families.append(fontManager.ttflist[-1].name)
    return families


def _draw_map(gallery_map: GalleryMap) -> Any:
    figure, axes = _make_figure()
    places_of = defaultdict(list)
    for place in gallery_map.places:
        places_of[place.person_id].append(place)
    families = _name_fonts() if len(places_of) <= NAMED else []
    for number, places in enumerate(places_of.values()):
        _draw_person(axes, places, number, families)
    if gallery_map.probe:
        _draw_probe(axes, gallery_map.probe)
    share = ""
    if gallery_map.shown is not None:
        share = f", {sum(gallery_map.shown):.0%} of the spread"
    by = modality_words(gallery_map.modality, "en")
    axes.set_title(f"Gallery by {by}, {METHODS[gallery_map.method]}{share}")
    axes.margins(0.15)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    return figure


def _draw_person(axes: Any, places: list[Place], number: int, families: list[str]) -> None:
    """Draw the templates of a person, with the name in one of these fonts. None: no name."""
    from matplotlib import colormaps

    axes.scatter(
        [place.x for place in places],
        [place.y for place in places],
        s=36,
        # Steps of the golden ratio: neighbours in the list differ in colour
        color=colormaps["hsv"](number * 0.381966 % 1),
        edgecolors="white",
    )
    if families:
        axes.annotate(
            places[0].name,
            (places[0].x, places[0].y),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=8,
            family=families,
        )


def _draw_probe(axes: Any, xy: tuple[float, float]) -> None:
    axes.scatter(*xy, s=140, facecolors="none", edgecolors="black", linewidths=2)
    axes.annotate("this clip", xy, xytext=(10, 6), textcoords="offset points", fontweight="bold")


def draw_matrix(similarity: Similarity, threshold: float) -> Any:
    """Draw how alike every two people are, with a frame where it is `threshold` or more."""
    import numpy as np

    figure, axes = _make_figure()
    picture = axes.imshow(similarity.scores, cmap="BuGn", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, shrink=0.7, label="mean cosine")
    rows, columns = np.nonzero(
        np.triu(similarity.scores, 1) + np.tril(similarity.scores, -1) >= threshold
    )
    axes.scatter(
        columns,
        rows,
        marker="s",
        facecolors="none",
        edgecolors="firebrick",
        s=(400 / max(len(similarity.people), 1)) ** 2 / 4,
    )
    names = [p.name for p in similarity.people] if len(similarity.people) <= NAMED else []
    families = _name_fonts()
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8, family=families)
    axes.set_yticks(range(len(names)), names, fontsize=8, family=families)
    by = modality_words(similarity.modality, "en")
    axes.set_title(f"How alike, by {by}; framed: {threshold:.2f} and above")
    return figure


def save_picture(figure: Any, png: Path) -> None:
    """Write the picture. Signs of names that no font has are told of once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", "Glyph .* missing from font")
        with output_file(png) as draft:
            figure.savefig(draft, dpi=DPI, format="png")
    if any("missing from font" in str(one.message) for one in caught):
        click.echo(
            "No font here has some signs of the names. Debian, Ubuntu: apt-get install"
            " fonts-noto-cjk",
            err=True,
        )

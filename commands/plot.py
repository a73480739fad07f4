"""The gallery as pictures: `plot map` and `plot similarity` write what the page /people
shows as PNG.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.shared import recognizer, refusals

if TYPE_CHECKING:
    from gallery.overview.overview import GalleryMap, Similarity

MODALITY = click.Choice(["fused", "face", "voice"])
INCHES = 9.0
DPI = 150
NAMED = 40
"""People up to whom a picture has their names in it."""


@click.group()
def plot() -> None:
    """Draw the gallery as PNG: a map of its templates, or how alike its people are."""


@plot.command("map")
@click.argument("png", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--modality", type=MODALITY, default="fused", show_default=True, help="Which embeddings."
)
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne"]),
    default="pca",
    show_default=True,
    help="How they are laid out.",
)
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@click.option(
    "--clip",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show this clip among them; nothing is stored.",
)
@refusals
def plot_map(png: Path, modality: str, method: str, search: str, clip: Path | None) -> None:
    """Write the map of the gallery to PNG: a dot for each template, a colour for each
    person.
    """
    from gallery.overview.overview import MAX_MAP_PEOPLE
    from recognition.requests import ClipFile
    from utils.modality import Modality

    with recognizer() as known:
        asked = (Modality(modality), method, search, MAX_MAP_PEOPLE)
        vector = None
        if clip is not None:
            vector = known.observe(ClipFile(clip, clip.name)).vector_of(Modality(modality))
        found = known.overview.map_of(*asked, vector)
    _save(_drawn_map(found), png)
    click.echo(
        f"{png}: {len(found.places)} templates of {found.people} people ({found.total} in all)."
    )


@plot.command("similarity")
@click.argument("png", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--modality", type=MODALITY, default="fused", show_default=True, help="Which embeddings."
)
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@refusals
def plot_similarity(png: Path, modality: str, search: str) -> None:
    """Write the matrix of similarities to PNG: a square for every two people."""
    from utils.modality import Modality

    with recognizer() as known:
        found = known.overview.similarity(Modality(modality), search)
        threshold = known.pair_threshold(found.modality)
    _save(_drawn_matrix(found, threshold), png)
    click.echo(
        f"{png}: {len(found.people)} of {found.total} people; scores over {threshold:.2f} count as"
        " one person's."
    )


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot: no window system, nothing global

    figure = Figure(figsize=(INCHES, INCHES), layout="constrained")
    return figure, figure.add_subplot()


def _drawn_map(found: GalleryMap) -> Any:
    from matplotlib import colormaps

    figure, axes = _figure()
    ids = list(dict.fromkeys(p.person_id for p in found.places))
    for number, person_id in enumerate(ids):
        mine = [p for p in found.places if p.person_id == person_id]
        axes.scatter(
            [p.x for p in mine],
            [p.y for p in mine],
            s=36,
            color=colormaps["hsv"](number * 0.381966 % 1),
            edgecolors="white",
        )
        if len(ids) <= NAMED:
            axes.annotate(
                mine[0].name,
                (mine[0].x, mine[0].y),
                xytext=(6, 4),
                textcoords="offset points",
                fontsize=8,
            )
    if found.probe:
        axes.scatter(*found.probe, s=140, facecolors="none", edgecolors="black", linewidths=2)
        axes.annotate(
            "this clip", found.probe, xytext=(10, 6), textcoords="offset points", fontweight="bold"
        )
    shown = "" if found.shown is None else f", {sum(found.shown):.0%} of the spread"
    axes.set_title(f"Gallery by {found.modality}, {found.method}{shown}")
    axes.margins(0.15)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    return figure


def _drawn_matrix(found: Similarity, threshold: float) -> Any:
    import numpy as np

    figure, axes = _figure()
    picture = axes.imshow(found.scores, cmap="BuGn", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, shrink=0.7, label="mean cosine")
    rows, columns = np.nonzero(np.triu(found.scores, 1) + np.tril(found.scores, -1) >= threshold)
    axes.scatter(
        columns,
        rows,
        marker="s",
        facecolors="none",
        edgecolors="firebrick",
        s=(400 / max(len(found.people), 1)) ** 2 / 4,
    )
    names = [p.name for p in found.people] if len(found.people) <= NAMED else []
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title(f"How alike, by {found.modality}; framed: {threshold:.2f} and above")
    return figure


def _save(figure: Any, png: Path) -> None:
    try:
        figure.savefig(png, dpi=DPI, format="png")
    except OSError as error:
        raise click.ClickException(
            f"The picture cannot be written: {error.strerror}. Received: {png}"
        ) from error

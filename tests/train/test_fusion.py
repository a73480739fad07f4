"""The fusion network and the pseudo-persons it is trained and measured on."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from network.frontends.log_mel import FrontendSpec
from network.serving.card import read_card
from train.configuration import RunOptions
from train.data.conditions import (
    NoiseBank,
)
from train.data.pseudo_people import CONDITIONS, compare, fused_table, halves
from train.data.renderings import Recipe, VoiceOptions
from train.data.tables import Table, _merge_views, select
from train.fusion.batches import Draw, PseudoPersons
from train.fusion.choice import (
    as_markdown,
    figures_of,
    llr_sum,
    measure,
    objective,
    weigh,
)
from utils.arrays import EMBEDDING_SIZE, RATE_HZ, Float32Array
from utils.errors import DatasetError
from utils.media import Waveform
from utils.modality import Embedding, Modality

if TYPE_CHECKING:
    import keras


def people(
    count: int = 30,
    files: int = 4,
    noise: float = 0.6,
    conditions: Sequence[str] = ("clean",),
    seed: int = 0,
    size: int = EMBEDDING_SIZE,
    sets: int = 1,
) -> Table:
    """People as random directions.

    Condition c adds c times as much noise again and a common direction, as degraded media do.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, size))
    common = rng.normal(size=size)
    rows = [
        (p, p * files + f, c)
        for p, f, c in itertools.product(range(count), range(files), range(len(conditions)))
    ]
    vectors = np.array(
        [
            centres[p] + noise * (1 + c) * rng.normal(size=size) + 1.5 * (c > 0) * common
            for p, _, c in rows
        ],
        np.float32,
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    person, file, condition = np.array(rows).T
    names = tuple(f"set{p % sets}/{p}" for p in range(count))
    return Table(
        vectors,
        person,
        file,
        condition,
        names,
        tuple(conditions),
        np.linspace(1, 9, len(vectors), dtype=np.float32),
        np.linspace(0, 1, len(vectors), dtype=np.float32)[:, None],
    )


def measured(noise: float, seed: int) -> tuple[Table, Table]:
    return (
        people(40, noise=noise, conditions=("clean", "blur", "dark"), seed=seed, size=64),
        people(40, noise=noise, conditions=("clean", "noise 0 dB", "1 s"), seed=seed + 1, size=64),
    )


def test_training_pairs_are_of_one_person_two_files_and_one_data_set() -> None:
    faces = people(60, conditions=("clean", "random"), sets=2)
    voices = people(80, conditions=("clean", "random"), sets=2, seed=1)
    persons = PseudoPersons(faces, voices, Draw(people=25, missing=0.0), seed=3)
    for step in range(5):
        batch = persons.batch(step)
        for name, table in (("face", faces), ("voice", voices)):
            rows = [
                np.argmax(batch[f"{role}_{name}"] @ table.vectors.T, axis=1)
                for role in ("template", "probe")
            ]
            assert (table.person[rows[0]] == table.person[rows[1]]).all()
            assert (table.file[rows[0]] != table.file[rows[1]]).all()
            assert len(set(table.person[rows[0]])) == 25
            assert len({table.names[p].split("/")[0] for p in table.person[rows[0]]}) == 1


def test_a_batch_is_a_function_of_its_number() -> None:
    persons = PseudoPersons(
        people(30, conditions=("clean", "random")),
        people(30, conditions=("clean", "random")),
        Draw(20),
        seed=1,
    )
    first = persons.batch(4)
    again = persons.batch(4)
    other = persons.batch(5)
    assert all((first[name] == again[name]).all() for name in first)
    assert not (first["probe_face"] == other["probe_face"]).all()


def test_missing_modalities_are_zeros_and_never_both() -> None:
    faces, voices = (people(40, conditions=("clean", "random"), seed=seed) for seed in (0, 1))
    persons = PseudoPersons(faces, voices, Draw(40, missing=0.4), 1)
    batch = persons.batch(0)
    lost = [~batch[f"probe_{name}"].any(axis=1) for name in ("face", "voice")]
    assert lost[0].any()
    assert lost[1].any()
    assert not (lost[0] & lost[1]).any()


def test_too_few_people_are_refused() -> None:
    with pytest.raises(DatasetError, match="Received: 1"):
        PseudoPersons(
            people(1, conditions=("clean", "random")),
            people(9, conditions=("clean", "random")),
            Draw(),
            1,
        )


def test_comparisons_count_every_pair_and_fusion_of_independent_evidence_wins() -> None:
    faces, voices = measured(noise=2.2, seed=0)
    trials = compare(faces, voices, weigh(1, 1), ("clean", "clean"), probes=3, joins=2)
    assert len(trials.labels) == 2 * 40 * 3 * 40
    assert trials.labels.sum() == 2 * 40 * 3
    figures = figures_of(trials)
    assert figures.fused.eer < figures.better.eer


def test_the_sum_of_ratios_trusts_the_better_modality_more() -> None:
    good = people(40, noise=0.8, size=64)
    bad = people(40, noise=3.0, size=64, seed=1)
    face, voice = llr_sum(good, bad)
    assert face > voice
    held = measured(1.0, 5)
    results = {"sum": measure(*held, weigh(face, voice))}
    assert objective(*held, weigh(1, 1)) < objective(*held, weigh(1, 1e-6))
    assert as_markdown(results).count("\n") == len(CONDITIONS) + 1


def test_halves_share_nobody() -> None:
    first, second = halves(people(11))
    assert not set(first.person) & set(second.person)
    assert len(set(first.person) | set(second.person)) == 11


def test_fused_tables_join_files_one_to_one_and_keep_conditions() -> None:
    faces = people(6, 3, conditions=("clean", "blur"), size=8)
    voices = people(5, 2, conditions=("clean",), size=8, seed=1)
    table = fused_table(
        faces,
        voices,
        weigh(1, 1),
        [("clean", "clean"), ("blur", "clean")],
        rng=np.random.default_rng(0),
    )
    assert len(table.names) == 5
    assert table.conditions == ("clean/clean", "blur/clean")
    assert len(table) == 5 * 2 * 2
    assert len(set(table.file)) == 10
    voice = np.argmax(table.vectors[:, 8:] @ voices.vectors.T, axis=1)
    np.testing.assert_array_equal(table.seconds, voices.seconds[voice])


def test_a_table_of_voices_knows_how_long_the_speech_was_that_was_embedded(tmp_path: Path) -> None:
    """The length is of what serving would embed, from the cache too."""
    import soundfile

    from align.speech import analyse_speech
    from tests.support import media_sound
    from train.data.datasets import Item, Listing
    from train.data.tables import voice_table

    heard: list[int] = []

    class Encoder:
        encoder_id = "lengths"
        frontend = FrontendSpec()

        def embed(self, speech: Waveform) -> Embedding:
            heard.append(len(speech.samples))
            return Embedding(
                np.eye(1, EMBEDDING_SIZE, dtype=np.float32)[0], Modality.VOICE, self.encoder_id
            )

    waves = [media_sound.speech(person, 4.0, rate_hz=RATE_HZ) for person in range(2)]
    for person, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{person}.wav", wave, RATE_HZ)
    listing = Listing(tmp_path, tuple(Item(f"{person}.wav", str(person)) for person in range(2)))
    recipe = Recipe(("clean", "1 s"))
    options = VoiceOptions(NoiseBank([]), min_speech_s=0.5)
    encoder: Any = Encoder()
    table = voice_table(encoder, listing, recipe, options=options, cache=tmp_path)
    assert sorted(table.seconds.tolist()) == pytest.approx(sorted(n / RATE_HZ for n in heard))
    np.testing.assert_allclose(table.under("1 s").seconds, 1.0)
    served = [analyse_speech(Waveform(wave, RATE_HZ), 0.5).speech.duration_s for wave in waves]
    np.testing.assert_allclose(table.under("clean").seconds, served, atol=0.05)
    again = voice_table(encoder, listing, recipe, options=options, cache=tmp_path)
    assert len(heard) == 4
    np.testing.assert_array_equal(again.seconds, table.seconds)


def test_views_of_a_clip_become_one_row_and_random_ones_stay_apart() -> None:
    vectors = np.eye(6, dtype=np.float32)
    table = Table(
        vectors,
        np.zeros(6, int),
        np.array([0, 0, 0, 0, 1, 1]),
        np.array([0, 0, 1, 1, 0, 0]),
        ("a",),
        ("clean", "random"),
        np.arange(6, dtype=np.float32),
        np.ones((6, 1), np.float32),
    )
    merged = _merge_views(table, random=1)
    assert sorted(zip(merged.file.tolist(), merged.condition.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (0, 1),
        (1, 0),
    ]
    np.testing.assert_allclose(np.linalg.norm(merged.vectors, axis=1), 1, rtol=1e-6)
    assert sorted(merged.seconds.tolist()) == [0, 2, 3, 4]
    assert Recipe(("clean",), random=1).all_conditions == ("clean", "random")


def test_selection_is_fixed_and_takes_people_with_enough_files(tmp_path: Path) -> None:
    from train.data.datasets import Item, Listing

    items: list[Item] = []
    for p in range(9):
        items += [Item(f"{p}/{f}", f"{p}") for f in range(p)]
    listing = Listing(tmp_path, tuple(items))
    chosen = select(listing, per_person=3, people=4, least=2)
    assert chosen == select(listing, per_person=3, people=4, least=2)
    assert len(chosen.labels) == 4
    assert not {"0", "1"} & set(chosen.labels)
    files = Counter(item.label for item in chosen.items)
    assert max(files[label] for label in chosen.labels) <= 3


Network = tuple["keras.Model", list[Float32Array]]


@pytest.fixture(scope="module")
def network() -> Network:
    from network.backbones.fusion import build_fusion, set_linear

    faces = people(80, size=128)
    voices = people(80, size=96, seed=1)
    wide = [
        np.pad(t.vectors, ((0, 0), (0, EMBEDDING_SIZE - t.vectors.shape[1])))
        for t in (faces, voices)
    ]
    model = build_fusion(hidden=8)
    set_linear(model, *wide, face_weight=2.0, voice_weight=1.0)
    return model, wide


def run(model: keras.Model, face: Float32Array, voice: Float32Array) -> Float32Array:
    return np.asarray(model([face, voice], training=False))


@pytest.mark.tf
def test_linear_start_is_the_weighted_mean_of_both_cosines(network: Network) -> None:
    model, (faces, voices) = network
    fused = run(model, faces, voices)
    np.testing.assert_allclose(np.linalg.norm(fused, axis=1), 1, rtol=1e-5)
    expected = (4 * faces @ faces.T + voices @ voices.T) / 5
    np.testing.assert_allclose(fused @ fused.T, expected, atol=1e-4)


@pytest.mark.tf
def test_with_one_modality_missing_the_cosine_is_that_of_the_other(network: Network) -> None:
    model, (faces, voices) = network
    nothing = np.zeros_like(faces)
    for fused, present in (
        (run(model, faces, nothing), faces),
        (run(model, nothing, voices), voices),
    ):
        np.testing.assert_allclose(fused @ fused.T, present @ present.T, atol=1e-4)
    assert not run(model, nothing, nothing).any()


@pytest.mark.tf
def test_balance_can_be_shifted_towards_the_face(network: Network) -> None:
    from network.backbones.fusion import shift_balance

    model, (faces, voices) = network
    weights = model.get_weights()
    before = np.linalg.norm(run(model, faces, voices)[:, :256], axis=1)
    shift_balance(model, 0.5)
    after = np.linalg.norm(run(model, faces, voices)[:, :256], axis=1)
    model.set_weights(weights)
    assert (after > before).all()


@pytest.mark.tf
def test_alone_equals_batched_and_a_saved_network_gives_the_same(
    network: Network, tmp_path: Path
) -> None:
    import keras

    model, (faces, voices) = network
    batched = run(model, faces, voices)
    np.testing.assert_allclose(run(model, faces[3:4], voices[3:4]), batched[3:4], atol=1e-6)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(
        run(keras.saving.load_model(tmp_path / "model.keras"), faces, voices), batched, atol=1e-6
    )


@pytest.mark.tf
@pytest.mark.filterwarnings("ignore")  # tf2onnx warns about NumPy names of its own
def test_onnx_gives_the_same(network: Network, tmp_path: Path) -> None:
    from network.serving.export import export_onnx
    from tests.support.networks import largest_difference

    model, (faces, voices) = network
    export_onnx(model, tmp_path / "model.onnx")
    assert largest_difference(model, tmp_path / "model.onnx", [faces, voices]) < 1e-5


@pytest.mark.tf
def test_gates_learn_to_trust_a_degraded_modality_less(tmp_path: Path) -> None:
    import keras

    from train.fusion.task import FusionTask, HeldOut
    from train.loop.options import LoopOptions
    from train.loop.trainer import Trainer
    from train.run import finish

    keras.utils.set_random_seed(1)

    def wide(table: Table) -> Table:
        return replace(table, vectors=np.pad(table.vectors, ((0, 0), (0, EMBEDDING_SIZE - 64))))

    faces, voices = (
        wide(people(60, noise=1.5, conditions=("clean", "random"), size=64, seed=s)) for s in (1, 2)
    )
    held_faces, held_voices = (wide(table) for table in measured(1.5, 7))
    held = (held_faces, held_voices)
    config = {
        "model": {"hidden": 16, "bound": 3.0, "train_projections": False},
        "loss": {"cllr": 1.0, "contrast": 0.2},
    }
    task = FusionTask(
        PseudoPersons(faces, voices, Draw(50), 1),
        HeldOut(held, held),
        config,
        {"face": "f-123456", "voice": "v-123456"},
    )
    start = task.validate(False, 0.0)["advantage"]
    loop = LoopOptions(total_steps=150, peak_rate=1e-2, ema_decay=0.9, log_steps=50)
    trainer = Trainer(task, loop, tmp_path / "run")
    trainer.run(lambda line: None)
    trainer.use_average()
    clean, degraded = (faces.under(name).vectors for name in ("clean", "random"))
    gate = task.network.get_layer("face_gate")
    assert np.mean(np.asarray(gate(degraded))) < 0.8 * np.mean(np.asarray(gate(clean)))
    options = RunOptions("fusion", run_dir=trainer.run_dir, out=tmp_path / "model")
    finish(trainer, {}, {"training": {}}, options)
    assert read_card(tmp_path / "model").metrics["dev"]["advantage"] >= start
    assert (trainer.run_dir / "comparison.md").read_text("utf-8").count("|") > 50

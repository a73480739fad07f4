"""One value for each modality."""

from __future__ import annotations

from utils.modality import Modality, PerModality

THREE = PerModality(fused=1, face=2, voice=3)


def test_a_value_is_reached_by_its_modality() -> None:
    assert [THREE[modality] for modality in Modality] == [2, 3, 1]
    assert PerModality.of(str) == PerModality(fused="fused", face="face", voice="voice")


def test_the_order_is_that_of_the_answers() -> None:
    assert list(THREE.items()) == [
        (Modality.FUSED, 1),
        (Modality.FACE, 2),
        (Modality.VOICE, 3),
    ]
    assert list(THREE.values()) == [1, 2, 3]
    assert list(THREE.to_dict().items()) == [("fused", 1), ("face", 2), ("voice", 3)]


def test_each_value_is_changed() -> None:
    assert THREE.map(lambda value: value * 10) == PerModality(fused=10, face=20, voice=30)

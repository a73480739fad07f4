"""Finding the faces in the sampled frames, and choosing the main person.

MTCNN looks at shrunken copies of the frames, all frames of a clip in one batch. Boxes
and landmarks are in pixels of the frames given. Importing this module loads no network.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from functools import cache

import numpy as np

from align import cascade
from align.copies import Copy, is_tiny, shrink, shrink_factor
from align.cutting import Cutter, Place
from align.detector_networks import Networks, load_networks
from align.following import Follower
from align.looks import CLOSE_PX, FAST_PX, THOROUGH_PX, look_again, select_upright
from align.mouth import measure_motion
from align.tracks import (
    LIKELY,
    SURE,
    Track,
    View,
    choose_main,
    count_people,
    link,
    select_candidates,
    select_others,
)
from align.warp import is_plausible
from utils.arrays import Float64Array, GreyArray, ImageArray
from utils.media import AlignedFace, FaceAnalysis, FaceDetection, FaceQuality, Frame, OtherFace
from utils.processors import PROCESSORS

# Frames that are looked at a second time
_SECOND_LOOK_FRAMES = 4

# Share of the frames in which a first look must be sure
_STEADY_SHARE = 0.8

# Frames more in which another look must be sure
_MORE_FRAMES = 2

Faces = Sequence[Sequence[FaceDetection]]
"""Per frame the detections."""

Made = dict[bytes, FaceDetection | None]
"""What was made of rows of the cascade, by their bytes."""

# Threads of a second look, which is not beside decoding and waits for nothing else
_THREADS = min(2, PROCESSORS)
_LOADING = threading.Lock()


class FaceDetector:
    """MTCNN. All detectors share its networks, which do not change once they are loaded."""

    def __init__(self, *, is_thorough: bool = False) -> None:
        """`is_thorough`: a first look takes no plain face for granted (`align.following`)."""
        self.is_thorough = is_thorough

    def load(self, threads: int = 1) -> Networks:
        """Load the networks that run in so many threads. Idempotent, and threads may call it.

        One thread takes a seventh less of the processors than two, and looks at a frame
        well before the next one is decoded.
        """
        with _LOADING:
            return _load(threads)

    def detect(self, images: Sequence[ImageArray], about_px: int) -> list[list[FaceDetection]]:
        """Find the faces in images of one clip.

        Args:
            images: (h, w, 3) uint8 RGB, all of one size.
            about_px: pixels (width × height) of the copies that are looked at. Faces
                narrower than 20 px there are not found.

        Returns:
            Per image the detections, surest first, in pixels of that image.
        """
        if not images or is_tiny(images[0]):
            return [[] for _ in images]
        factor = shrink_factor(images[0].shape[1], images[0].shape[0], about_px)
        networks = self.load(_THREADS)
        rows = cascade.detect([shrink(image, factor) for image in images], networks)
        return _to_detections(rows, len(images), factor)

    def locate(
        self, images: Sequence[GreyArray], boxes_xyxy: Float64Array
    ) -> list[FaceDetection | None]:
        """Find one face again in each grey image, given its place in pixels: `cascade.locate`."""
        faces: list[FaceDetection | None] = [None] * len(images)
        for row in cascade.locate(images, boxes_xyxy, self.load()):
            faces[int(row[0])] = _to_detection(row, 1)
        return faces


@cache
def _load(threads: int) -> Networks:
    return load_networks(threads)


class FirstLook:
    """A fast look at the frames of a clip as they come, in order of time.

    It is as `FaceDetector.detect` in less than half the time: see `align.following`.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._follower = Follower(detector.load(), is_thorough=detector.is_thorough)
        self._count = 0
        self._factor: int | None = None
        self._made: Made = {}

    def add(self, image: ImageArray) -> None:
        """Look at the next frame."""
        self._count += 1
        if self._factor is None and not is_tiny(image):
            self._factor = shrink_factor(image.shape[1], image.shape[0], FAST_PX)
        if self._factor is not None:
            self._follower.add(Copy(image, self._factor))

    def list_so_far(self) -> list[list[FaceDetection]]:
        """Per frame the detections so far, which those to come may change.

        None are known of a frame that waits for the next one.
        """
        return self._deal(self._follower.so_far)

    def finish(self) -> list[list[FaceDetection]]:
        """Per frame so far the detections, surest first, in pixels of that frame.

        More frames may come, and are seen as if this had not been asked.
        """
        return self._deal(copy(self._follower).finish())

    def _deal(self, rows: Float64Array) -> list[list[FaceDetection]]:
        return _to_detections(rows, self._count, self._factor or 1, self._made)


def find_faces(
    detector: FaceDetector,
    frames: Sequence[Frame],
    detections: list[list[FaceDetection]] | None = None,
) -> list[list[FaceDetection]]:
    """Find the faces in each frame.

    A fast look at all frames comes first, unless `detections` are what one has found. Where
    it is not sure in most of them, a few frames are looked at again in other ways
    (`align.looks`). The best of these looks counts where it is sure in two of the few more
    than the first was, or quite sure in all where the first was in half of them at most.
    Faces that lie on their side are found now and then, or less surely, and misplaced.
    """
    images = [frame.image for frame in frames]
    if detections is None:
        look = FirstLook(detector)
        for image in images:
            look.add(image)
        detections = look.finish()
    upright = select_upright(detections)
    if not images or _is_settled(upright):
        return detections
    evenly = np.linspace(0, len(images) - 1, _SECOND_LOOK_FRAMES)
    chosen = np.unique(evenly.round().astype(int)).tolist()
    few = [images[i] for i in chosen]
    if is_tiny(few[0]):
        return detections
    closely = [] if _count_sure(upright) else _list_larger_looks(images[0])
    best = _choose_look(look_again(detector.detect, few, closely))
    if not _is_better(best, detections, chosen):
        return detections
    replaced: list[list[FaceDetection]] = [[] for _ in images]
    for index, faces in zip(chosen, best, strict=True):
        replaced[index] = faces
    return replaced


def _choose_look(looks: Iterable[list[list[FaceDetection]]]) -> list[list[FaceDetection]]:
    """Choose the first look that is quite sure in every frame, else the surest one."""
    best: list[list[FaceDetection]] = []
    for faces in looks:
        if not best or _rate(faces) > _rate(best):
            best = faces
        if _count_sure(faces, SURE) == len(faces):
            break
    return best


def _is_settled(upright: Faces) -> bool:
    """Whether a first look is sure in most frames, and in the mean of them.

    A face that is turned is found upright and misplaced at times, at 0.9 to 0.97.
    """
    scores = [score for faces in upright if (score := _best_score(faces)) >= LIKELY]
    return len(scores) >= _STEADY_SHARE * len(upright) and float(np.mean(scores)) >= SURE


def _is_better(best: Faces, first: Faces, chosen: Sequence[int]) -> bool:
    """Whether a look at the chosen frames is better than the first one at all of them."""
    upright = select_upright(first)
    if not _count_sure(upright):
        return _count_sure(best) > 0 or (any(best) and not any(first))
    before = [upright[i] for i in chosen]
    if _count_sure(best, SURE) == len(best) and 2 * _count_sure(before, SURE) <= len(before):
        return True
    return _count_sure(best) >= _count_sure(before) + _MORE_FRAMES


def _rate(detections: Faces) -> tuple[int, float]:
    """In how many frames a look is sure, and the sum of the best scores."""
    return _count_sure(detections), sum(map(_best_score, detections))


def _count_sure(detections: Faces, least: float = LIKELY) -> int:
    """Count the frames with a face that may be the main person's."""
    return sum(_best_score(faces) >= least for faces in detections)


def _best_score(faces: Sequence[FaceDetection]) -> float:
    """The best detector score in a frame. 0 without a face."""
    return max((face.score for face in faces), default=0.0)


def analyse_faces(
    frames: Sequence[Frame],
    detections: Sequence[Sequence[FaceDetection]],
    min_face_px: float,
    cutter: Cutter | None = None,
) -> FaceAnalysis:
    """Choose the main person and align that face in every frame.

    Args:
        frames: the sampled frames.
        detections: the faces of each frame.
        min_face_px: narrower faces are left out.
        cutter: cuts faces out of these frames. It may have begun.
    """
    cutter = cutter or Cutter()
    tracks = link([_select_wide(faces, min_face_px) for faces in detections])
    candidates = select_candidates(tracks, len(frames))
    main = _choose_main(frames, candidates, cutter)
    if main is None:
        return FaceAnalysis(faces=(), people_in_view=0, frames_read=len(frames), quality=None)
    faces = _align_track(frames, main, cutter)
    return FaceAnalysis(
        faces=tuple(faces),
        people_in_view=count_people(tracks, main, len(frames)),
        frames_read=len(frames),
        quality=_median_quality(faces),
        others=tuple(
            OtherFace(
                faces=tuple(_align_track(frames, track, cutter)),
                is_together=not set(track.frames).isdisjoint(main.frames),
            )
            for track in select_others(tracks, main, len(frames))
        ),
    )


def _choose_main(
    frames: Sequence[Frame], candidates: Sequence[Track], cutter: Cutter
) -> Track | None:
    """Choose the main person. Mouths are only looked at where there is a choice."""
    if len(candidates) < 2:
        return next(iter(candidates), None)
    height, width = frames[0].image.shape[:2]
    motions = []
    for track in candidates:
        faces = cutter.cut(_list_places(frames, track))
        motions.append(measure_motion([face.image for face in faces]))
    return choose_main(candidates, motions, View(width, height, len(frames)))


def _list_places(frames: Sequence[Frame], track: Track) -> list[Place]:
    """The places of a track in order of time."""
    return [(frames[i], face) for i, face in zip(track.frames, track.detections, strict=True)]


def _list_larger_looks(image: ImageArray) -> list[int]:
    """List the looks that use larger copies than the one before, by their pixels."""
    height, width = image.shape[:2]
    looks = (FAST_PX, THOROUGH_PX, CLOSE_PX)
    factors = [shrink_factor(width, height, about_px) for about_px in looks]
    steps = zip(looks[1:], factors, factors[1:], strict=False)
    return [about_px for about_px, before, after in steps if after != before]


def _to_detections(
    rows: Float64Array, count: int, factor: int, made: Made | None = None
) -> list[list[FaceDetection]]:
    """Deal the rows of the cascade out to `count` images, without what cannot be a face.

    What was `made` of a row before is taken again.
    """
    made = {} if made is None else made
    detections: list[list[FaceDetection]] = [[] for _ in range(count)]
    for row in rows:
        key = row.tobytes()
        if key not in made:
            made[key] = _to_detection(row, factor)
        if (detection := made[key]) is not None:
            detections[int(row[0])].append(detection)
    return detections


def _to_detection(row: Float64Array, factor: int) -> FaceDetection | None:
    """Turn a row of the cascade into a detection in pixels of the full image.

    The middle of a pixel of the copy lies (factor − 1) / 2 into its square. None is what
    cannot be a face.
    """
    landmarks = np.stack([row[6:11], row[11:16]], axis=1)
    points = np.concatenate([row[1:5].reshape(2, 2), landmarks])
    points = (points * factor + (factor - 1) / 2).astype(np.float32)
    if not is_plausible(points[2:]):
        return None
    return FaceDetection(
        box_xyxy=points[:2].reshape(4), landmarks_xy=points[2:], score=float(row[5])
    )


def _select_wide(faces: Sequence[FaceDetection], min_face_px: float) -> list[FaceDetection]:
    return [face for face in faces if face.width_px >= min_face_px]


def _align_track(frames: Sequence[Frame], track: Track, cutter: Cutter) -> list[AlignedFace]:
    """Align the face of a track in each of its frames. The best face comes first."""
    faces = cutter.cut(_list_places(frames, track))
    return sorted(faces, key=lambda face: -face.quality.score)


def _median_quality(faces: Sequence[AlignedFace]) -> FaceQuality | None:
    """Quality of a face over the clip: the median of each property by itself."""
    if not faces:
        return None
    table = np.array([list(vars(face.quality).values()) for face in faces])
    median = FaceQuality(*np.median(table, axis=0).tolist())
    return replace(median, roll_deg=_median_angle_deg([face.quality.roll_deg for face in faces]))


def _median_angle_deg(angles_deg: Sequence[float]) -> float:
    """Median of angles that are near each other: 179° and -179° are two degrees apart."""
    angles = np.asarray(angles_deg, np.float64)
    middle = np.degrees(np.angle(np.exp(1j * np.radians(angles)).sum()))
    beside = np.median((angles - middle + 180) % 360 - 180)
    return float((middle + beside + 180) % 360 - 180)

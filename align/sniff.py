"""Telling what a file is from its first bytes. The name of a file is never believed.

The answer picks the one demuxer that may open the file. So no demuxer probes formats
that make it open other files or addresses: playlists, concat scripts, session
descriptions. Signatures: https://www.garykessler.net/library/file_sigs.html and the
specifications of the formats.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import BinaryIO

SNIFF_BYTES = 512
_TS_PACKET = 188
# Packets of camcorders (a time before each) and of broadcasts (a checksum after each)
_TS_SIZES = (_TS_PACKET, 192, 204)
_TS_SYNC = 0x47
# Bits of the second byte of a packet that are 0, and of the fourth that are not all 0
_TS_BROKEN = 0x80
_TS_CONTROL = 0x30
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PICTURE_BRANDS = _AVIF_BRANDS + _HEIC_BRANDS
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid")


@dataclass(frozen=True)
class MediaKind:
    """A format that is read.

    `name` is what people call it. `demuxer` is the name of the ffmpeg demuxer, and ""
    for a photograph.
    """

    name: str
    demuxer: str

    @property
    def is_photo(self) -> bool:
        """Whether this is a still picture."""
        return not self.demuxer


_SIGNATURES = (
    (b"\x1a\x45\xdf\xa3", MediaKind("webm or mkv", "matroska")),
    (b"OggS", MediaKind("ogg", "ogg")),
    (b"fLaC", MediaKind("flac", "flac")),
    (b"#!AMR", MediaKind("amr", "amr")),
    (b"ID3", MediaKind("mp3", "mp3")),
    (b"\x00\x00\x01\xba", MediaKind("mpg", "mpeg")),
    (b"\x00\x00\x01\xb3", MediaKind("mpg", "mpegvideo")),
)
_AFTER_ID3 = (MediaKind("flac", "flac"), MediaKind("aac", "aac"))
_MOST_ID3 = 4

# Streams of pictures without a container, as surveillance cameras export them. They begin
# with a parameter set, a delimiter or, of H.264, a note of the encoder
_RAW_H264 = re.compile(rb"\x00?\x00\x00\x01([\x27\x47\x67]|\x09[\x10-\xf0]|\x06\x05)")
_RAW_H265 = re.compile(rb"\x00?\x00\x00\x01(\x40\x01|\x46\x01)")
_OTHER_SIGNATURES = (
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"8BPS", "a Photoshop picture"),
    (b"%PDF", "a PDF document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"PK\x03\x04", "a zip archive or office document"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"FLV", "Flash video"),
    (b"caff", "a CAF sound"),
    (b".snd", "a Sun sound (au)"),
    (b"riff.\x91\xcf\x11", "a Wave64 sound"),
    (b"wvpk", "a WavPack sound"),
    (b"TTA1", "a True Audio sound"),
    (b"MAC ", "a Monkey's Audio sound"),
    (b"DKIF", "an IVF video"),
    (b"YUV4MPEG2", "a Y4M video"),
    (b"nut/multimedia container", "a NUT video"),
    (b".RMF", "RealMedia"),
    (b"\x30\x26\xb2\x75", "Windows Media"),
    (b"\x06\x0e\x2b\x34", "an MXF video"),
    (b"\x0b\x77", "an AC-3 sound"),
    (b"#!SILK", "a SILK sound, as messengers keep it"),
    (b"\x02#!SILK", "a SILK sound, as messengers keep it"),
    (b"DHAV", "a recording in the own format of a surveillance camera"),
    (b"IMKH", "a recording in the own format of a surveillance camera"),
    (b"\x1f\x43\xb6\x75", "a piece of a webm or mkv recording without its beginning"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
# The first of these comes where a recorder of a browser hands over its second piece
_WEBM_BLOCK = re.compile(rb"\xa3[\x10-\xff].{0,3}?[\x81-\x84]..[\x00\x80]", re.DOTALL)
_FRAGMENT_BOXES = (b"styp", b"sidx", b"moof", b"emsg", b"prft")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{64,}")


def sniff(head: bytes) -> MediaKind | None:
    """Tell the format from the first `SNIFF_BYTES` bytes, None when it is not read."""
    return (
        _sniff_photo(head)
        or _sniff_riff(head)
        or _sniff_boxes(head)
        or _sniff_signature(head)
        or _sniff_mpeg(head)
        or _sniff_raw(head)
        or _sniff_broken_ts(head)
    )


def sniff_file(file: BinaryIO) -> tuple[MediaKind | None, bytes]:
    """Tell the format of an open file.

    ID3 tags, as some programs put them before FLAC and AAC, are passed over.

    Returns:
        The format, None when it is not read, and the first bytes.
    """
    head = file.read(SNIFF_BYTES)
    start = 0
    rest = head
    for _ in range(_MOST_ID3):
        if not rest.startswith(b"ID3") or len(rest) < 10:
            break
        start += _measure_id3(rest)
        file.seek(start)
        rest = file.read(SNIFF_BYTES)
    tagged = sniff(rest) if start else None
    return (tagged if tagged in _AFTER_ID3 else sniff(head)), head


def _measure_id3(head: bytes) -> int:
    """Size of an ID3 tag in bytes: 10 and 28 bits in four bytes (id3.org/id3v2.4.0-structure)."""
    size = 10
    for place, byte in enumerate(head[6:10]):
        size += (byte & 0x7F) << 7 * (3 - place)
    return size


def describe(head: bytes) -> str:
    """Describe content that is not read, for a message, such as "a GIF picture"."""
    for magic, words in _OTHER_SIGNATURES:
        if head.startswith(magic):
            return words
    if head[4:8] in _FRAGMENT_BOXES:
        return "a piece of an mp4 recording without its beginning"
    if _WEBM_BLOCK.match(head):
        return "a piece of a webm recording without its beginning"
    return _describe_text(head) if _is_text(head) else "an unknown binary format"


def _describe_text(head: bytes) -> str:
    start = head.lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text (a web page)"
    coded = _BASE64.match(head.partition(b";base64,")[2] if start.startswith(b"data:") else head)
    kind = sniff(_decode_base64(coded[0])) if coded else None
    if kind is not None:
        return f"text ({kind.name} in Base64: send the bytes themselves)"
    return "text"


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text[: len(text) // 4 * 4], altchars=b"-_")
    except binascii.Error:
        return b""


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    # A head that was cut may end in the middle of a character
    is_cut = len(head) >= SNIFF_BYTES - 4
    try:
        text = head[: SNIFF_BYTES - 4].decode("utf-8", errors="ignore" if is_cut else "strict")
    except UnicodeDecodeError:
        return False
    printable = sum(c.isprintable() or c in "\r\n\t" for c in text)
    return bool(text) and printable >= 0.95 * len(text)


def _sniff_photo(head: bytes) -> MediaKind | None:
    if head.startswith(b"\xff\xd8\xff"):
        return MediaKind("jpg", "")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaKind("png", "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return MediaKind("webp", "")
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        return MediaKind(_name_heif(head), "")
    return None


def _name_heif(head: bytes) -> str:
    """Tell AVIF from HEIC by all brands: the first may be that of any picture."""
    size = int.from_bytes(head[:4], "big")
    brands = {head[at : at + 4] for at in range(8, min(size, len(head)), 4)}
    return "avif" if brands.intersection(_AVIF_BRANDS) else "heic"


def _sniff_riff(head: bytes) -> MediaKind | None:
    if head[:4] in (b"RIFF", b"RF64", b"RIFX", b"BW64") and head[8:12] == b"WAVE":
        return MediaKind("wav", "wav")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return MediaKind("aiff", "aiff")
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return MediaKind("avi", "avi")
    return None


def _sniff_boxes(head: bytes) -> MediaKind | None:
    if head[4:8] not in _BOXES or head[8:12] in _PICTURE_BRANDS:
        return None
    return MediaKind("m4a" if head[8:11] == b"M4A" else "mp4", "mov")


def _sniff_signature(head: bytes) -> MediaKind | None:
    return next((kind for magic, kind in _SIGNATURES if head.startswith(magic)), None)


def _sniff_mpeg(head: bytes) -> MediaKind | None:
    if len(head) > _TS_PACKET and head[0] == 0x47 and head[_TS_PACKET] == 0x47:
        return MediaKind("mpeg ts", "mpegts")
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    version = head[1] >> 3 & 3
    bitrate = head[2] >> 4
    rate = head[2] >> 2 & 3
    if layer == 0 and head[1] & 0xF6 == 0xF0:
        return MediaKind("aac", "aac")
    valid = layer in (1, 2) and version != 1 and 0 < bitrate < 15 and rate != 3
    return MediaKind("mp3", "mp3") if valid else None


def _sniff_raw(head: bytes) -> MediaKind | None:
    if _RAW_H264.match(head):
        return MediaKind("raw h264", "h264")
    return MediaKind("raw h265", "hevc") if _RAW_H265.match(head) else None


def _sniff_broken_ts(head: bytes) -> MediaKind | None:
    """Tell a transport stream that begins amid a packet, or whose packets have more bytes."""
    if head.startswith(tuple(magic for magic, _ in _OTHER_SIGNATURES)) or _is_text(head):
        return None
    for size in _TS_SIZES:
        for sync in re.finditer(rb"\x47", head[: max(0, min(size, len(head) - size - 3))]):
            places = range(sync.start(), len(head) - 3, size)
            if all(_begins_packet(head, at) for at in places):
                return MediaKind("mpeg ts", "mpegts")
    return None


def _begins_packet(head: bytes, at: int) -> bool:
    is_sound = not head[at + 1] & _TS_BROKEN and head[at + 3] & _TS_CONTROL
    return head[at] == _TS_SYNC and bool(is_sound)

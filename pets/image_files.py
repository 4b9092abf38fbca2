"""Image file sanitiser: check the format and size of a file, and keep only the bytes of its first picture.

It runs before any decoder, because a decoder must not open a file that it can't finish in bounded time and memory. The
limits of each format are checked in its headers. Pillow then gets only the first picture and its orientation, without
comments, profiles, previews, later frames or appended videos: a client could choose their number and size freely. The
sanitiser copies the bytes that it keeps and never changes them.
"""

import itertools
import re
import struct
import zlib
from collections.abc import Callable, Iterator

from schemas.problems import Problem, ProblemError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})  # names of files to look into
MAX_PIXELS = 26_000_000  # pixels; why: phones take 12, 24 and 50 million, and a decoder needs 4 to 8 bytes for each
MAX_SIDE = 65_535  # pixels, the limit of JPEG and GIF; why: a million short rows cost more than their pixels
MAX_PARTS = 65_536  # chunks, segments, blocks or strips; why: each costs a decoder microseconds, even an empty one
# Limit of a format as a share of the limit for all. Pillow decodes a JPEG of one scan at a fraction of its size. For a
# WebP it needs 16 bytes a pixel, because it always uses libwebp's decoder for animations.
_SHARES = {"JPEG": 2.0, "WEBP": 0.5}
MAX_SCANNED = 1_000_000_000  # pixels in all scans of a progressive JPEG together; ten scans are usual
MAX_RLE = 2_000_000  # pixels, and bytes, of a run-length BMP; why: Pillow decodes it in Python

_OTHER_FORMATS = (  # formats that clients send by mistake: offset of the mark, the mark, description
    (4, b"ftypheic", "a HEIC photo"),
    (4, b"ftypheix", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIF photo"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"II+\0", "a BigTIFF picture"),
    (0, b"MM\0+", "a BigTIFF picture"),
    (0, b"<", "a text, HTML or SVG"),
    (0, b"{", "a JSON text"),
)


def extract(content: bytes, max_pixels: int = MAX_PIXELS) -> tuple[str, bytes]:
    """Return a picture's format, and a file of that format with only its first frame and orientation.

    Args:
        content: the file.
        max_pixels: number of pixels that may be decoded; see `max_pixels_of` for JPEG and WebP.

    Returns:
        Pillow's name of the format (JPEG, PNG, WEBP, GIF, BMP or TIFF), and the file.

    Raises:
        ProblemError: not-an-image, damaged-image or image-too-large.
    """
    for name, (magic, read) in _FORMATS.items():
        if magic.match(content):
            try:
                return name, read(content, max_pixels_of(name, max_pixels))
            except (struct.error, IndexError) as error:
                raise damaged(name, "it ends before its picture does") from error
    description = next(
        (name for offset, mark, name in _OTHER_FORMATS if content.startswith(mark, offset)), "of no known format"
    )
    raise ProblemError(
        Problem.of(
            "not-an-image", f"the file is {description} ({len(content):,} bytes); send one of {', '.join(_FORMATS)}"
        )
    )


def damaged(name: str, detail: str) -> ProblemError:
    """Return the error for a file of a known format whose picture can't be read."""
    return ProblemError(Problem.of("damaged-image", f"the {name} file can't be read: {detail}"))


def too_large(detail: str) -> ProblemError:
    """Return the error for a picture that would take too much time or memory."""
    return ProblemError(Problem.of("image-too-large", detail))


def max_pixels_of(name: str, max_pixels: int) -> int:
    """Return the number of pixels that a picture of a format may have, from the number that may be decoded."""
    return int(max_pixels * _SHARES.get(name, 1.0))


def check_size(name: str, width: int, height: int, limit: int, kind: str = "") -> None:
    """Check that a picture of this size may be decoded.

    Args:
        name: Pillow's name of the format.
        width: width in pixels.
        height: height in pixels.
        limit: number of pixels that are allowed.
        kind: adjective for the message, if the limit applies to some files of the format only.

    Raises:
        ProblemError: damaged-image for a picture without pixels, image-too-large for one over the limit or MAX_SIDE.
    """
    if width < 1 or height < 1:
        raise damaged(name, f"it says that it is {width:,} x {height:,} pixels")
    if width * height > limit:
        raise too_large(
            f"the picture is {width:,} x {height:,} pixels, {width * height:,} in all; "
            f"at most {limit:,} are allowed in a {kind}{name}: send a smaller one"
        )
    if max(width, height) > MAX_SIDE:
        raise too_large(f"the picture is {width:,} x {height:,} pixels; at most {MAX_SIDE:,} are allowed on a side")


def _parts(name: str) -> Iterator[int]:
    """Yield an index for each part of a file; raise image-too-large at the part after MAX_PARTS."""
    yield from range(MAX_PARTS)
    raise too_large(f"the {name} file has more than {MAX_PARTS:,} parts: save it again with a common program")


# A marker of a JPEG file; in the data between markers, 0xFF is followed by 0 or is a restart.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_SOF, _OTHER_SOF = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}, {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}
_PROGRESSIVE = {0xC2, 0xCA}
_EOI, _SOS = 0xD9, 0xDA
_TABLES = {0xC4, 0xCC, 0xDB, 0xDD}  # DHT, DAC, DQT, DRI
_JFIF, _EXIF, _ADOBE = 0xE0, 0xE1, 0xEE


def _jpeg(content: bytes, limit: int) -> bytes:
    """Keep SOI, the tables, the frame, the JFIF, EXIF and Adobe segments, and the bytes from the first scan to EOI."""
    kept, at, scans, size, first_scan, exif, progressive = [content[:2]], 2, 0, (0, 0), 0, False, False
    for _ in _parts("JPEG"):
        found = _MARKER.search(content, at)
        if found is None:
            raise damaged("JPEG", "it ends before its picture does")
        start, marker = found.start(), found[1][0]
        if marker == _EOI:
            if not scans:
                raise damaged("JPEG", "it has no picture")
            return b"".join([*kept, content[first_scan : start + 2]])
        if marker in (0x01, 0xD8):  # TEM and SOI stand alone
            at = start + 2
            continue
        at = start + 2 + struct.unpack_from(">H", content, start + 2)[0]
        if marker in _OTHER_SOF:
            raise damaged("JPEG", "it is lossless or hierarchical, which is not supported; save it as a baseline JPEG")
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", content, start + 5)
            check_size("JPEG", width, height, limit)
            size, progressive = (width, height), marker in _PROGRESSIVE
        elif marker == _SOS:
            scans, first_scan = scans + 1, first_scan or start
            if progressive or scans > 1:  # libjpeg keeps the coefficients of all pixels until the last scan
                check_size("JPEG", size[0], size[1], int(limit / _SHARES["JPEG"]), "progressive ")
            if scans * size[0] * size[1] > MAX_SCANNED:
                raise too_large(f"the JPEG file has too many scans for {size[0]:,} x {size[1]:,} pixels: save it again")
        if not scans:
            is_exif = marker == _EXIF and not exif and content.startswith(b"Exif\0\0", start + 4)
            exif = exif or is_exif
            if is_exif or marker in _SOF | _TABLES | {_JFIF, _ADOBE}:
                kept.append(content[start:at])
    raise AssertionError("_parts raises")


def _png(content: bytes, limit: int) -> bytes:
    """Keep IHDR, palette, transparency, EXIF, one IDAT and IEND; check the checksum of each."""
    kept: dict[bytes, bytes] = {}
    data, at = [], 8
    for _ in _parts("PNG"):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"):
            (checksum,) = struct.unpack_from(">I", content, end - 4)
            if zlib.crc32(memoryview(content)[at + 4 : end - 4]) != checksum:
                raise damaged("PNG", f"the checksum of its part {kind.decode()} is wrong")
            if kind == b"IDAT":
                data.append(content[at + 8 : end - 4])
            else:
                kept.setdefault(kind, content[at:end])
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", content, at + 8)
            check_size("PNG", width, height, limit)
        elif b"IHDR" not in kept:
            raise damaged("PNG", "it does not begin with its header")
        elif kind == b"IEND":
            break
        at = end
    body = b"IDAT" + b"".join(data)
    picture = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    head = b"".join(kept.get(kind, b"") for kind in (b"IHDR", b"PLTE", b"tRNS", b"eXIf"))
    return content[:8] + head + picture + kept[b"IEND"]


def _gif(content: bytes, limit: int) -> bytes:
    """Keep the header, the first frame's transparency, and all bytes from that frame on. Pillow reads one frame."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    check_size("GIF", width, height, limit)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    screen, control = content[:at], b""
    parts = _parts("GIF")
    while content[at] == 0x21:  # extensions
        start, at = at, at + 2
        while content[at]:
            next(parts)
            at += 1 + content[at]
        at += 1
        next(parts)
        if content[start + 1] == 0xF9:
            control = content[start:at]
    if content[at] != 0x2C:
        raise damaged("GIF", "it has no picture")
    left, top, width, height = struct.unpack_from("<4H", content, at + 1)
    check_size("GIF", left + width, top + height, limit)
    return screen + control + content[at:]


def _webp(content: bytes, limit: int) -> bytes:
    """Keep the whole file after checking the canvas, which libwebp allocates first. It decodes one frame only."""
    kind = content[12:16]
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    check_size("WEBP", width, height, limit)
    return content


def _bmp(content: bytes, limit: int) -> bytes:
    """Keep the whole file, because a BMP has nothing besides its picture."""
    if struct.unpack_from("<I", content, 14)[0] == 12:
        width, height, compression = *struct.unpack_from("<HH", content, 18), 0
    else:
        width, height, compression = *struct.unpack_from("<ii", content, 18), struct.unpack_from("<I", content, 30)[0]
    check_size("BMP", width, abs(height), limit)
    if compression in (1, 2) and max(width * abs(height), len(content)) > MAX_RLE:
        raise too_large(f"a run-length BMP may have {MAX_RLE:,} pixels and bytes: save the picture as PNG")
    return content


_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 259, 277, 322, 323
_TAGS = {
    *(_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT),
    *(258, 262, 266, 273, 274, 278, 279, 284),  # bits, colours, fill order, strips, orientation, rows, bytes, planes
    *(
        292,
        293,
        317,
        320,
        324,
        325,
        332,
        338,
        339,
    ),  # fax options, predictor, palette, tiles, inks, alpha, sample format
    *(347, 529, 530, 531, 532),  # JPEG tables, how YCbCr is coded
}


def _tiff(content: bytes, limit: int) -> bytes:
    """Keep the file, and append a directory with only the picture's tags, which becomes its single directory."""
    order = "<" if content.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    entries: dict[int, bytes] = {}
    numbers: dict[int, int] = {}
    for at in itertools.islice(itertools.count(start + 2, 12), count):
        tag, kind, length = struct.unpack_from(order + "HHI", content, at)
        if tag not in _TAGS or tag in entries:
            continue
        if length > MAX_PARTS:
            raise too_large(f"the TIFF file has {length:,} parts; {MAX_PARTS:,} are allowed: save it as PNG")
        entries[tag] = content[at : at + 12]
        if kind in (3, 4) and length == 1:
            (numbers[tag],) = struct.unpack_from(order + {3: "H", 4: "I"}[kind], content, at + 8)
    if not {_WIDTH, _HEIGHT} <= numbers.keys():
        raise damaged("TIFF", "it does not say how large its picture is")
    check_size("TIFF", numbers[_WIDTH], numbers[_HEIGHT], limit)
    if {_TILE_WIDTH, _TILE_HEIGHT} & entries.keys():
        # A decoder decodes each tile in full, even outside the picture, and all tiles may share one tile's data.
        tile = (numbers.get(_TILE_WIDTH, 0), numbers.get(_TILE_HEIGHT, 0))
        check_size("TIFF", tile[0], tile[1], limit)
        width, height = (-(-numbers[tag] // side) * side for tag, side in zip((_WIDTH, _HEIGHT), tile, strict=True))
        check_size("TIFF", width, height, limit)
    if numbers.get(_COMPRESSION) == 7 and (b"\xff\xc2" in content or b"\xff\xca" in content):
        raise damaged("TIFF", "it holds a progressive JPEG, which TIFF does not allow; send the JPEG itself")
    if numbers.get(_SAMPLES, 1) > 6:
        raise damaged("TIFF", f"it has {numbers[_SAMPLES]:,} values in a pixel")
    body = content + b"\0" * (len(content) % 2)
    directory = b"".join(entries[tag] for tag in sorted(entries))
    head = struct.pack(order + "I", len(body))
    return body[:4] + head + body[8:] + struct.pack(order + "H", len(entries)) + directory + b"\0\0\0\0"


_FORMATS: dict[str, tuple[re.Pattern[bytes], Callable[[bytes, int], bytes]]] = {
    "JPEG": (re.compile(rb"\xff\xd8\xff"), _jpeg),
    "PNG": (re.compile(rb"\x89PNG\r\n\x1a\n"), _png),
    "WEBP": (re.compile(rb"RIFF....WEBPVP8[ LX]", re.DOTALL), _webp),
    "GIF": (re.compile(rb"GIF8[79]a"), _gif),
    "BMP": (re.compile(rb"BM"), _bmp),
    "TIFF": (re.compile(rb"II\*\0|MM\0\*"), _tiff),
}

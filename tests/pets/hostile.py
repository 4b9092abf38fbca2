"""Hostile inputs: files that are no photo or must not be decoded. Each must be rejected quickly, with a problem.

All are made from a seed, without other files. Each fails for a reason that does not depend on the decoder's version.
Faults that a decoder may tolerate, such as flipped bits or a cut near the end, are not here.

Longer than 350 lines: each hostile file is built byte by byte, and the builders share their parts.
"""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
PNG = b"\x89PNG\r\n\x1a\n"
HUGE = ((65_535, 65_535), (50_000, 50_000), (8_000, 6_501), (100_000, 501), (16_383, 16_383))


class Hostile(NamedTuple):
    """One input: its description, its bytes, and the content type that the client sends."""

    name: str
    content: bytes
    content_type: str


def hostile_inputs(seed: int = 0) -> list[Hostile]:
    """Return more than 200 different inputs of a few megabytes together."""
    rng = np.random.default_rng(seed)
    makers = (_cut, _crossed, _other_files, _noise, _huge, _floods, _broken_jpeg, _broken_png, _broken_others)
    return [Hostile(*fields) for make in makers for fields in make(rng)]


# Parts of files


def photo(rng: np.random.Generator, width: int = 64, height: int = 48) -> Image.Image:
    """Return noise, so that every byte of its file matters."""
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, name: str, **options: object) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG file."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, width: int = 8, height: int = 8, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG file of a header and these chunks."""
    return PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) + b"".join(chunks)


def gif(*blocks: bytes, width: int = 8, height: int = 8) -> bytes:
    """A GIF file of a screen without colours and these blocks."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"".join(blocks) + b";"


def gif_frame(width: int, height: int, data: bytes) -> bytes:
    """A frame of a GIF file."""
    return struct.pack("<B4HBB", 0x2C, 0, 0, width, height, 0, 8) + bytes([len(data)]) + data + b"\0"


def webp(kind: bytes, data: bytes) -> bytes:
    """A WebP file of one chunk."""
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, header: int = 40, data: bytes = b"") -> bytes:
    """A BMP file without a palette."""
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<III", 54 + len(data), 0, 54) + info + data


def tiff(tags: dict[int, list[int]], data: bytes = b"", *, order: str = "<") -> bytes:
    """A TIFF file of grey pixels: 256 is its width, 257 its height; the data begin at byte 8."""
    tags = {258: [8], 259: [1], 262: [1], 277: [1]} | tags
    start, extra = 8 + len(data), b""
    entries = struct.pack(order + "H", len(tags))
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(packed) > 4:
            packed, extra = struct.pack(order + "I", start + 6 + 12 * len(tags) + len(extra)), extra + packed
        entries += struct.pack(order + "HHI", tag, 4, len(values)) + packed
    magic = {"<": b"II*\0", ">": b"MM\0*"}[order]
    return magic + struct.pack(order + "I", start) + data + entries + bytes(4) + extra


def progressive(width: int, height: int, scans: int) -> bytes:
    """Return a grey progressive JPEG whose later scans are a few bytes long and change nothing."""
    blocks = -(-width // 8) * -(-height // 8)
    runs = "".join(f"0{max(0, min(32_767, blocks - done) - 16_384):014b}" for done in range(0, blocks, 32_767))
    bits = runs + "1" * (-len(runs) % 8)
    nothing = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"".join(
        (
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
            segment(0xC4, b"\0\1" + bytes(15) + b"\0"),
            segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0"),
            segment(0xDA, b"\1\1\0\0\0\0") + bytes(blocks // 8 + 1),
            (segment(0xDA, b"\1\1\0\1\x3f\0") + nothing) * scans,
            b"\xff\xd9",
        )
    )


# The inputs. Each is (name, content, content type).

Inputs = Iterator[tuple[str, bytes, str]]


def _cut(rng: np.random.Generator) -> Inputs:
    """Interrupted uploads."""
    image = photo(rng)
    for name, content_type in FORMATS.items():
        whole = encoded(image, name)
        for share in (0.002, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
            end = max(3, int(len(whole) * share))
            yield f"{name} cut after {end} bytes", whole[:end], content_type
        yield f"{name} without its first bytes", whole[4:], content_type
        yield f"{name} after a line break", b"\n" + whole, content_type
        yield f"{name} backwards", whole[::-1], content_type
        yield f"{name} as hexadecimal text", whole.hex().encode(), content_type
    for name in ("JPEG", "PNG", "WEBP"):
        yield f"{name} without its last byte", encoded(image, name)[:-1], FORMATS[name]
    yield (
        "progressive JPEG cut in half",
        (half := encoded(image, "JPEG", progressive=True))[: len(half) // 2],
        "image/jpeg",
    )


def _crossed(rng: np.random.Generator) -> Inputs:
    """Files that begin in one format and continue in another."""
    image = photo(rng)
    for one in FORMATS:
        for other, content_type in FORMATS.items():
            if one != other:
                mixed = encoded(image, one)[:16] + encoded(image, other)[16:]
                yield f"{one} that goes on as {other}", mixed, content_type


def _other_files(rng: np.random.Generator) -> Inputs:
    """Files that people and programs send instead of photos."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("photo.jpg"), encoded(photo(rng), "JPEG"))
    array = io.BytesIO()
    np.save(array, rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><svg>&b;</svg>'
    box = b"\0\0\0\x18ftyp"
    others = {
        "nothing": b"",
        "one byte": b"\0",
        "a space": b" ",
        "a word": b"cat",
        "a long text": b"a photo of a cat " * 20_000,
        "text in UTF-16": "ein Bild einer Katze".encode("utf-16"),
        "HTML": b"<!doctype html><html><body><img src=cat.jpg></body></html>",
        "SVG": svg,
        "SVG with a byte order mark": b"\xef\xbb\xbf" + svg,
        "XML that grows": laughs,
        "JSON": b'{"image": "cat.jpg"}',
        "an address": b"https://example.org/cat.jpg",
        "a path": b"../../../../etc/passwd",
        "a data URI": b"data:image/png;base64,iVBORw0KGgo=",
        "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n(%pipe%id) (w) file\n",
        "ZIP": archive.getvalue(),
        "GZIP": b"\x1f\x8b\x08" + zlib.compress(bytes(100)),
        "tar": b"cat.jpg".ljust(257, b"\0") + b"ustar\x0000" + bytes(248),
        "pickle": pickle.dumps({"image": [1, 2, 3]}),
        "pickle that calls": b"cposix\nsystem\n(S'false'\ntR.",
        "NumPy array": array.getvalue(),
        "safetensors": struct.pack("<Q", 2) + b"{}",
        "SQLite": b"SQLite format 3\0" + bytes(84),
        "ELF": b"\x7fELF\2\1\1" + bytes(57),
        "Windows program": b"MZ" + bytes(126),
        "Java class": b"\xca\xfe\xba\xbe\0\0\0\x41" + bytes(32),
        "shell script": b"#!/bin/sh\nexit 1\n",
        "MP4": box + b"isom\0\0\2\0isomiso2" + bytes(64),
        "QuickTime": box + b"qt  \0\0\2\0qt  " + bytes(64),
        "HEIC": box + b"heic\0\0\0\0mif1heic" + bytes(64),
        "AVIF": box + b"avif\0\0\0\0mif1avif" + bytes(64),
        "Matroska": b"\x1aE\xdf\xa3\xa3B\x86\x81\1B\xf7\x81\1B\xf2\x81\4" + bytes(32),
        "AVI": b"RIFF" + struct.pack("<I", 100) + b"AVI LIST" + bytes(92),
        "WAV": b"RIFF" + struct.pack("<I", 100) + b"WAVEfmt " + bytes(92),
        "MP3": b"ID3\4\0\0\0\0\0\0" + bytes(64),
        "Ogg": b"OggS\0\2" + bytes(64),
        "Photoshop": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 48, 64, 8, 3) + bytes(32),
        "icon": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(64),
        "Apple icon": b"icns\0\0\0\x10ic08\0\0\0\x08",
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(32),
        "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(32),
        "BigTIFF": b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + bytes(32),
        "portable pixmap": b"P6 2 2 255\n" + bytes(12),
        "DirectDraw": b"DDS \x7c\0\0\0" + bytes(120),
        "QOI": b"qoif" + struct.pack(">IIBB", 2, 2, 3, 0) + bytes(8),
        "FITS": b"SIMPLE  =                    T" + b" " * 50,
        "font": b"wOF2\0\1\0\0" + bytes(64),
        "multipart body": b"--x\r\nContent-Disposition: form-data; name=image\r\n\r\n\xff\xd8\xff\r\n--x--\r\n",
    }
    for i, (name, content) in enumerate(others.items()):
        yield name, content, ("image/jpeg", "image/png", "application/octet-stream")[i % 3]


def _noise(rng: np.random.Generator) -> Inputs:
    """Random bytes, alone and after the mark of each format."""
    for length in (2, 3, 10, 100, 1_000, 100_000):
        yield f"{length} zero bytes", bytes(length), "image/jpeg"
        yield f"{length} bytes of 255", b"\xff" * length, "image/png"
        yield f"{length} random bytes", b"\x80" + rng.bytes(length), "image/webp"
    marks = (b"\xff\xd8\xff", PNG, b"RIFF\xff\xff\0\0WEBPVP8 ", b"GIF89a", b"II*\0", b"MM\0*")
    for mark, content_type in zip(marks, (*list(FORMATS.values())[:4], "image/tiff", "image/tiff"), strict=True):
        yield f"{mark!r} alone", mark, content_type
        yield f"{mark!r} and zero bytes", mark + bytes(1_000), content_type


def _huge(rng: np.random.Generator) -> Inputs:
    """Small files that claim to be huge or empty pictures."""
    nothing = chunk(b"IDAT", zlib.compress(bytes(1_000)))
    image = photo(rng, 8, 8)
    jpeg, lossy = bytearray(encoded(image, "JPEG")), bytearray(encoded(image, "WEBP"))
    frame = jpeg.index(b"\xff\xc0") + 5
    for width, height in (*HUGE, (0, 8), (8, 0)):
        size = f"{width} x {height}"
        yield f"PNG of {size}", png(nothing, chunk(b"IEND", b""), width=width, height=height), "image/png"
        yield f"TIFF of {size}", tiff({256: [width], 257: [height], 273: [8], 279: [9]}, bytes(9)), "image/tiff"
        yield f"TIFF of {size}, big-endian", tiff({256: [width], 257: [height]}, order=">"), "image/tiff"
        yield f"BMP of {size}", bmp(width, height), "image/bmp"
        yield f"BMP of {size}, upside down", bmp(width, -height, data=bytes(99)), "image/bmp"
        if width and height:
            extended = b"\2\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            yield f"animated WebP of {size}", webp(b"VP8X", extended), "image/webp"
        if max(width, height) < 65_536:
            yield f"GIF of {size}", gif(gif_frame(8, 8, b"\0\1\1"), width=width, height=height), "image/gif"
            yield f"GIF with a frame of {size}", gif(gif_frame(width, height, b"")), "image/gif"
            jpeg[frame : frame + 4] = struct.pack(">HH", height, width)
            yield f"JPEG of {size}", bytes(jpeg), "image/jpeg"
    lossy[26:30] = struct.pack("<HH", 16_383, 16_383)
    yield "WebP of 16383 x 16383", bytes(lossy), "image/webp"
    yield "lossless WebP of 16384 x 16384", webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(16)), "image/webp"
    yield "BMP of a negative width", bmp(-8, 8, data=bytes(192)), "image/bmp"


def _floods(rng: np.random.Generator) -> Inputs:
    """Files that keep a decoder busy."""
    row = chunk(b"IDAT", zlib.compress(bytes(8 * 25)))
    yield "PNG of 70,000 chunks", png(chunk(b"teXt", b"") * 70_000, row, chunk(b"IEND", b"")), "image/png"
    yield "PNG in crumbs", png(chunk(b"IDAT", b"") * 70_000, row, chunk(b"IEND", b"")), "image/png"
    yield "JPEG of empty comments", b"\xff\xd8" + segment(0xFE, b"") * 70_000 + b"\xff\xd9", "image/jpeg"
    yield "JPEG of junk", b"\xff\xd8\xff\xfe\0\2" + b"junk" * 250_000, "image/jpeg"
    yield "JPEG of padding", b"\xff\xd8" + b"\xff" * 1_000_000, "image/jpeg"
    yield "JPEG of 3,000 scans", progressive(1_000, 1_000, 3_000), "image/jpeg"
    yield "JPEG of 30 scans of 48 million pixels", progressive(8_000, 6_000, 30), "image/jpeg"
    yield "GIF of empty comments", gif(b"!\xfe\0" * 70_000, gif_frame(8, 8, b"\0\1\1")), "image/gif"
    yield "GIF of one long comment", gif(b"!\xfe" + b"\1a" * 70_000 + b"\0", gif_frame(8, 8, b"\0\1\1")), "image/gif"
    yield "BMP of run lengths", bmp(7_000, 7_000, bits=8, compression=1, data=b"\0\2\0\xff" * 99), "image/bmp"
    yield "BMP of run lengths, 4 bits", bmp(9, 9, bits=4, compression=2, data=b"\0\0" * 1_100_000), "image/bmp"
    tiles = {259: [8], 324: [8] * 4_063, 325: [60] * 4_063}
    inflated = zlib.compress(bytes(10_000))
    yield (
        "TIFF of tiles beside it",
        tiff(tiles | {256: [1], 257: [65_000], 322: [65_520], 323: [16]}, inflated),
        "image/tiff",
    )
    yield (
        "TIFF of one huge tile",
        tiff(tiles | {256: [9], 257: [9], 322: [65_520], 323: [65_520]}, inflated),
        "image/tiff",
    )
    strips = {256: [9], 257: [60_000], 278: [1], 273: [8] * 70_000, 279: [9] * 70_000}
    yield "TIFF of 70,000 strips", tiff(strips, bytes(9)), "image/tiff"


def _broken_jpeg(rng: np.random.Generator) -> Inputs:
    """JPEG files with a part missing or wrong."""
    whole = encoded(photo(rng), "JPEG")
    start, scan = whole.index(b"\xff\xc0"), whole.index(b"\xff\xda")
    for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        yield f"JPEG of kind {marker:X}", whole.replace(b"\xff\xc0", bytes([0xFF, marker]), 1), "image/jpeg"
    yield "JPEG without a frame", whole[:start] + whole[start + 19 :], "image/jpeg"
    yield "JPEG without a scan", whole[:scan] + b"\xff\xd9", "image/jpeg"
    yield "JPEG without tables", whole[:2] + whole[start : start + 19] + whole[scan:], "image/jpeg"
    yield "JPEG of 12 bits", whole[: start + 4] + b"\x0c" + whole[start + 5 :], "image/jpeg"
    yield "JPEG of 7 layers", whole[: start + 9] + b"\x07" + whole[start + 10 :], "image/jpeg"
    yield "JPEG of nothing", b"\xff\xd8\xff\xd9", "image/jpeg"
    yield "JPEG with a segment beyond its end", b"\xff\xd8\xff\xe1\xff\xff" + bytes(99), "image/jpeg"


def _broken_png(rng: np.random.Generator) -> Inputs:
    """PNG files with a part missing or wrong."""
    row, end = chunk(b"IDAT", zlib.compress(bytes(8 * 25))), chunk(b"IEND", b"")
    for depth, colour in ((3, 2), (8, 1), (8, 7), (0, 0), (255, 255), (1, 2), (16, 3)):
        yield f"PNG of {depth} bits and colour {colour}", png(row, end, depth=depth, colour=colour), "image/png"
    for place, part in enumerate(("header", "data", "end")):
        chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)), row, end]
        chunks[place] = chunks[place][:-4] + b"\0\1\2\3"
        yield f"PNG with a wrong checksum of its {part}", PNG + b"".join(chunks), "image/png"
    yield "PNG without data", png(end), "image/png"
    yield "PNG without an end", png(row), "image/png"
    yield "PNG without a header", PNG + row + end, "image/png"
    yield "PNG with data that end within", png(chunk(b"IDAT", zlib.compress(rng.bytes(200))[:99]), end), "image/png"
    yield "PNG with data that are not compressed", png(chunk(b"IDAT", rng.bytes(200)), end), "image/png"
    yield "PNG with a chunk beyond its end", png(b"\x7f\xff\xff\xffIDAT" + bytes(99)), "image/png"


def _broken_others(rng: np.random.Generator) -> Inputs:
    """WebP, GIF, BMP and TIFF files with a part missing or wrong."""
    for kind in (b"VP8 ", b"VP8L", b"VP8X"):
        yield f"WebP of an empty {kind.decode()}", webp(kind, b""), "image/webp"
        yield f"WebP with noise in {kind.decode()}", webp(kind, b"\1" + rng.bytes(99)), "image/webp"
    yield "WebP of an unknown chunk", webp(b"ABCD", bytes(99)), "image/webp"
    yield "GIF without a frame", gif(), "image/gif"
    yield "GIF with an unknown block", gif(b"?" * 99), "image/gif"
    yield "GIF without data", gif(gif_frame(8, 8, b"")), "image/gif"
    yield "GIF with codes that are none", gif(gif_frame(64, 64, b"\xff" * 200)), "image/gif"
    for header in (0, 13, 41, 200, 2**32 - 1):
        yield f"BMP with a header of {header} bytes", bmp(8, 8, header=header, data=bytes(192)), "image/bmp"
    for bits in (0, 3, 7, 48, 255):
        yield f"BMP of {bits} bits", bmp(8, 8, bits=bits, data=bytes(384)), "image/bmp"
    for compression in (4, 5, 11, 999):
        yield f"BMP of compression {compression}", bmp(8, 8, compression=compression, data=bytes(192)), "image/bmp"
    plain = {256: [8], 257: [8], 273: [8], 279: [64]}
    changes: dict[str, dict[int, list[int]]] = {
        "an unknown compression": {259: [4_242]},
        "unknown colours": {262: [99]},
        "7 bits": {258: [7]},
        "a thousand samples": {277: [1_000]},
        "data beyond its end": {273: [1_000_000]},
        "an unsupported layout": {258: [8, 8], 262: [2], 277: [2]},
        "tiles without a size": {322: [0], 323: [0], 324: [8], 325: [64]},
        **{f"noise of compression {kind}": {259: [kind]} for kind in (5, 7, 8, 32_773, 34_925, 50_000, 50_001)},
    }
    for name, change in changes.items():
        yield f"TIFF with {name}", tiff(plain | change, b"\x7f" + rng.bytes(63)), "image/tiff"
    yield "TIFF without a size", tiff({273: [8], 279: [64]}, bytes(64)), "image/tiff"
    yield "TIFF with two widths", tiff(plain | {256: [8, 8]}, bytes(64)), "image/tiff"
    yield "TIFF with a directory beyond its end", b"II*\0\xff\xff\xff\x7f" + bytes(99), "image/tiff"
    yield "TIFF with a directory in its header", b"II*\0\0\0\0\0" + bytes(99), "image/tiff"
    yield "TIFF with an endless directory", b"MM\0*\0\0\0\x08\xff\xff" + bytes(99), "image/tiff"

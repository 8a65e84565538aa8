"""A corpus of damaged files, seeded: ``python -m tests.hostile.corpus`` reads thousands of each kind.

Each file is read as the app would read it. It gives an answer or one sentence; anything else that is raised is counted
as a fault, and a process that ends before its work does is a crash.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from PIL import Image
from pillow_heif import from_pillow

from benchmarks.reporting import table, this_machine, write_results
from facetraits.errors import UserError
from facetraits.faces.budget import PAGE_MAX_PIXELS
from facetraits.faces.images import decode_image
from facetraits.video.sources import read_file
from facetraits.visitors.sales.reading import read_sales
from tests.builders import ROOT
from tests.hostile import test_damaged_log, test_manifest
from tests.videos import write_video
from tests.visitors.made_workbooks import xlsx

RESULTS: Final = ROOT / "benchmarks" / "results" / "hostile.json"
_EXTREMES: Final = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\1",
)
_BERLIN: Final = ZoneInfo("Europe/Berlin")


def damaged(data: bytes, draw: random.Random) -> bytes:
    """The file with one to six faults: other bytes, a piece lost, doubled, moved, or the rest missing."""
    whole = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        start = draw.randrange(len(whole) + 1)
        # Mostly near the beginning, where a file says what it is.
        if draw.random() < 0.5:
            start = min(start, draw.randrange(200))
        piece = bytes(whole[start : start + draw.choice((1, 2, 4, 16, 256, 4096))])
        kind = draw.choice(("byte", "byte", "bit", "extreme", "extreme", "cut", "lose", "double", "insert", "move"))
        if kind == "byte":
            whole[start : start + 1] = bytes([draw.randrange(256)])
        elif kind == "bit" and start < len(whole):
            whole[start] ^= 1 << draw.randrange(8)
        elif kind == "extreme":
            value = draw.choice(_EXTREMES)[: draw.choice((1, 2, 4))]
            whole[start : start + len(value)] = value
        elif kind == "cut":
            del whole[max(start, 1) :]
        elif kind == "lose":
            del whole[start : start + len(piece)]
        elif kind == "double":
            whole[start:start] = piece * draw.choice((1, 1, 10, 1000))
        elif kind == "insert":
            whole[start:start] = draw.randbytes(draw.choice((1, 4, 64)))
        elif kind == "move":
            other = draw.randrange(len(whole) + 1)
            whole[other : other + len(piece)] = piece
    return bytes(whole)


# ----------------------------------------------------------------------------------------------------------- pictures


def pictures() -> list[bytes]:
    """Small pictures of all formats and many kinds."""
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    made = [
        _saved(picture, "JPEG", exif=exif),
        _saved(picture, "JPEG", progressive=True, quality=95),
        _saved(picture.convert("CMYK"), "JPEG"),
        _saved(picture.convert("L"), "JPEG"),
        _saved(picture, "PNG", exif=exif),
        _saved(picture.convert("RGBA"), "PNG"),
        _saved(picture.convert("P"), "PNG", transparency=3),
        _saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG"),
        _saved(picture, "WebP", exif=exif),
        _saved(picture.convert("RGBA"), "WebP", lossless=True),
        _saved(picture, "BMP"),
        _saved(picture, "GIF", save_all=True, append_images=[picture.rotate(90, expand=False)]),
        _saved(picture, "TIFF", compression="tiff_lzw"),
        _saved(picture, "TIFF", compression="jpeg"),
        _saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "TIFF"),
        _saved(picture, "AVIF"),
    ]
    heic = io.BytesIO()
    from_pillow(picture).save(heic)
    return [*made, heic.getvalue()]


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def read_picture(data: bytes) -> None:
    """As the page Photo does."""
    image = decode_image(data, PAGE_MAX_PIXELS)
    assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.size


# ------------------------------------------------------------------------------------------------------------- videos


def videos() -> list[bytes]:
    """A second of video in each of the containers."""
    scene = np.random.default_rng(0).integers(0, 255, (5, 6, 8, 3), dtype=np.uint8).repeat(20, 1).repeat(20, 2)
    with tempfile.TemporaryDirectory() as folder:
        return [
            write_video(Path(folder) / f"video{suffix}", scene, codec=codec).read_bytes()
            for suffix, codec in ((".mp4", "mpeg4"), (".avi", "mpeg4"), (".mkv", "mpeg4"), (".ts", "mpeg2video"))
        ]


def watch_video(data: bytes) -> None:
    """As the page Visitors does."""
    with read_file(io.BytesIO(data)) as video:
        before_s = -1.0
        for frame in video:
            assert frame.time_s >= before_s and frame.image.size
            before_s = frame.time_s


# -------------------------------------------------------------------------------------------------------------- sales


def sales_files() -> list[bytes]:
    """What tills write, as text and as a workbook."""
    rows = [[f"2026-05-0{day} 1{hour}:05:00", f"{hour}.50", "paid"] for day in range(1, 5) for hour in range(5)]
    plain = "time,amount,status\n" + "\n".join(",".join(row) for row in rows)
    german = "Datum;Uhrzeit;Betrag\n" + "\n".join(f"0{day}.05.2026;10:0{day}:00;{day},50" for day in range(1, 9))
    quoted = 'Date (UTC),"Total, EUR",Note\n' + "\n".join(
        f'5/{day}/2026 1:30 PM,"{day}.00","a ""b"""' for day in range(1, 20)
    )
    made = [
        plain.encode(),
        german.encode("latin-1"),
        quoted.encode("utf-8-sig"),
        plain.replace(",", "\t").encode("utf-16"),
    ]
    return [*made, xlsx([["time", "amount", "status"], *rows])]


def import_sales(data: bytes) -> None:
    """As the page Visitors does."""
    found = read_sales(data, _BERLIN)
    assert found.sales and all(sale.time.tzinfo is not None for sale in found.sales)


# ---------------------------------------------------------------------------------------------------------------- all


class Kind(NamedTuple):
    """One kind of file.

    Attributes:
        seeds: makes sound ones, all of which can be read.
        read: what the app does with one.
        in_all: how many the whole corpus has of it.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes], None]
    in_all: int


FILES: Final[Mapping[str, Kind]] = {
    "pictures": Kind(pictures, read_picture, 6000),
    "videos": Kind(videos, watch_video, 800),
    "sales files": Kind(sales_files, import_sales, 1500),
}
_OTHERS: Final = {"lists of models": 1500, "uses of logs": 200}
_AT_ONCE: Final = 200  # read by one process, whose crash then costs no more


def outcomes(kind: str, first: int, count: int) -> Counter[str]:
    """How files of a kind end, by number: "answered", "refused", or what is raised instead."""
    with tempfile.TemporaryDirectory() as name:
        if kind == "lists of models":
            return _named(test_manifest.outcomes(Path(name), count, first), {"loads": "answered"})
        if kind == "uses of logs":
            sound = test_damaged_log.sound_log(Path(name))
            return _named(
                test_damaged_log.outcomes(Path(name), sound, count, first), {"succeeds": "answered", "fails": "refused"}
            )
    seeds = FILES[kind].seeds()
    found: Counter[str] = Counter()
    for number in range(first, first + count):
        draw = random.Random(number)
        data = damaged(draw.choice(seeds), draw)
        try:
            FILES[kind].read(data)
            found["answered"] += 1
        except UserError as error:
            found["refused" if str(error).endswith((".", ")")) else f"no sentence: {error}"] += 1
        except Exception as error:
            found[f"{type(error).__name__} in number {number}"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", nargs=3, metavar=("KIND", "FIRST", "COUNT"), help=argparse.SUPPRESS)
    parser.add_argument("--share", type=float, default=1.0, help="of the whole corpus, from 0 to 1")
    asked = parser.parse_args()
    if asked.part:
        kind, first, count = asked.part
        print(json.dumps(outcomes(kind, int(first), int(count))))
        return
    machine, rows, faults = this_machine(), [], Counter[str]()
    for kind, in_all in {**{kind: made.in_all for kind, made in FILES.items()}, **_OTHERS}.items():
        count = round(in_all * asked.share)
        started = time.perf_counter()
        found = Counter[str]()
        for first in range(0, count, _AT_ONCE):
            found += _in_a_process(kind, first, min(_AT_ONCE, count - first))
        good = {name: found.pop(name, 0) for name in ("answered", "refused")}
        faults += found
        seconds = time.perf_counter() - started
        rows.append({"files": kind, "number": count, **good, "faults": found.total(), "seconds": round(seconds)})
    print(table(rows))
    for fault, number in faults.items():
        print(f"{number} times: {fault}")
    if asked.share == 1:
        write_results({**machine, "rows": rows}, RESULTS)
    sys.exit(1 if faults else 0)


def _in_a_process(kind: str, first: int, count: int) -> Counter[str]:
    command = [sys.executable, "-m", "tests.hostile.corpus", "--part", kind, str(first), str(count)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return Counter({f"{kind} {first} to {first + count} do not end": 1})
    if done.returncode:
        return Counter({f"{kind} {first} to {first + count} end the process with {done.returncode}": 1})
    return Counter(json.loads(done.stdout.splitlines()[-1]))


def _named(found: Counter[str], names: Mapping[str, str]) -> Counter[str]:
    return Counter({names.get(name, name): number for name, number in found.items()})


if __name__ == "__main__":
    main()

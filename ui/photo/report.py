"""A report to print or to send: all pictures with their faces, as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Final

from facetraits.types import AnalysisResult
from ui.kit.components import address_of_jpeg, counted
from ui.kit.face_card import cards_of, numbered, summary_line
from ui.kit.local import clock, long_date
from ui.photo.session import Outcome, PhotoSession, Picture

_STYLE: Final = Path(__file__).parents[1] / "kit" / "style.css"
_MOST_OPEN: Final = 24  # cards of one picture; folded ones show their answers in one line
_NOTE: Final = (
    "Made by facetraits. Its networks guess from pixels: they do not know how old someone is, how they see themselves, "
    "where they come from or what they feel. An answer with low confidence is called unsure. Never use it to decide "
    "about a person."
)
_PRINT: Final = """
body { background: light-dark(#fff, #0d161b); color: var(--ft-ink); color-scheme: light dark; margin: 0 auto;
  max-width: 70rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif; }
body > section { margin: 2.5rem 0; } body > section > img { max-height: 80vh; max-width: 100%; border-radius: 0.6rem; }
.ft-card { break-inside: avoid; } footer { color: var(--ft-quiet); }
@media print { body { color-scheme: light; } .ft-all { display: none; } }
"""


def to_html(session: PhotoSession, pictures: Sequence[tuple[Picture, Outcome]]) -> bytes:
    """The report, made in memory.

    Args:
        session: holds the pictures.
        pictures: those that could be read and those that could not.
    """
    made = datetime.now().astimezone()
    parts = [_section(session, picture, outcome) for picture, outcome in pictures]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Faces in pictures</title>'
        f"<style>{_STYLE.read_text(encoding='utf-8')}{_PRINT}</style></head><body class='stApp'>"
        f"<h1>Faces in {counted(len(pictures), 'picture')}</h1>"
        f"<p><time datetime='{made.isoformat(timespec='minutes')}'>{long_date(made.date())}, {clock(made)}</time></p>"
        f"{''.join(parts)}<footer><p>{_NOTE}</p></footer></body></html>"
    )
    return page.encode()


def _section(session: PhotoSession, picture: Picture, outcome: Outcome) -> str:
    title = f"<h2>{escape(picture.name)}</h2>"
    if outcome.result is None:
        return f"<section>{title}<p>{escape(outcome.error or '')}</p></section>"
    return f"<section>{title}{_faces(session, picture, outcome, outcome.result)}</section>"


def _faces(session: PhotoSession, picture: Picture, outcome: Outcome, result: AnalysisResult) -> str:
    width, height = result.size_wh
    address = address_of_jpeg(session.annotated_preview(picture, result))
    facts = f"{counted(len(result.faces), 'face').capitalize()} in {width} × {height} px"
    cut = " The file is incomplete." if result.incomplete else ""
    summary = summary_line(result.faces) if len(result.faces) > 1 else ""
    cards = cards_of(numbered(result.faces, outcome.crops), folded=len(result.faces) > _MOST_OPEN)
    return (
        f"<p>{facts}.{cut}</p><img src='{address}' alt='{escape(picture.name, quote=True)} with numbered faces'>"
        f"{summary}{cards}"
    )

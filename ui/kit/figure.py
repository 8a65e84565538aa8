"""Elements around every figure of the page "Model performance": text, numbers, origin, downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

import streamlit as st

from facetraits.reports.evaluation_report import EvaluationReport
from ui.kit.components import counted
from ui.kit.tables import Table
from ui.performance.models import provenance

if TYPE_CHECKING:
    import altair as alt

_MOST_TILES: Final = 5


def sentence(text: str, live: bool = False) -> None:
    """What a figure says, in words; a live one is read out when it changes."""
    st.html(f'<p class="ft-says"{" role=status" if live else ""}>{escape(text)}</p>')


def explain(text: str) -> None:
    """How to read a figure."""
    st.html(f'<p class="ft-explain">{escape(text)}</p>')


def subheading(text: str) -> None:
    """Above one of several figures of a view."""
    st.subheader(text, anchor=False)


def legend(entries: Mapping[str, tuple[str, str]]) -> None:
    """What colours mean.

    Args:
        entries: words to (colour, shape); shapes: "dot", "hollow", "line", "dashed", "block", "shade", "tick".
    """
    items = "".join(
        f'<li><i class="ft-key ft-key-{shape}" style="--ft-key: {colour}"></i>{escape(words)}</li>'
        for words, (colour, shape) in entries.items()
    )
    st.html(f'<ul class="ft-legend">{items}</ul>')


def draw(chart: alt.LayerChart, said: str, key: str | None = None) -> None:
    """A chart with its alternative in words."""
    st.altair_chart(chart, width="stretch", alt=said, key=key)


def numbers(table: Table, label: str = "The numbers as a table") -> None:
    """A figure's numbers, folded."""
    with st.expander(label):
        st.html(table.to_html())


def origin_of_reports(reports: Sequence[EvaluationReport], table: Table, name: str) -> None:
    """Where the numbers come from, and the files to take home.

    Args:
        reports: all that the figure is made of.
        table: what is shown.
        name: of the files, without an ending.
    """
    if not reports:
        return
    described = [provenance(report) for report in reports]
    first = described[0]
    line = first.line if len(reports) == 1 else f"{first.line} · and {counted(len(reports) - 1, 'more report')}"
    origin_of_facts(
        line,
        [(origin.facts[0][1], origin.facts[1:]) for origin in described],
        table,
        lambda: (
            "[\n" + ",\n".join(report.to_json() for report in reports) + "]\n"
            if len(reports) > 1
            else reports[0].to_json()
        ),
        name,
    )


def origin_of_facts(
    line: str,
    facts: Iterable[tuple[str, Iterable[tuple[str, str]]]],
    table: Table,
    as_json: Callable[[], str],
    name: str,
) -> None:
    """The same for what is no report: facts under their heading."""
    with st.container(key=f"origin_{name}", gap="small"):
        st.html(f'<p class="ft-origin">{escape(line)}</p>')
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "JSON",
                lambda: as_json().encode("utf-8"),
                f"{name}.json",
                "application/json",
                key=f"json_{name}",
                on_click="ignore",
                icon=":material/download:",
                help="Everything that this figure is made from, as it was recorded.",
            )
            st.download_button(
                "CSV",
                table.to_csv,
                f"{name}.csv",
                "text/csv",
                key=f"csv_{name}",
                on_click="ignore",
                icon=":material/download:",
                help="What is shown here, for a spreadsheet.",
            )
            with st.popover("Where the numbers come from", icon=":material/fingerprint:"):
                st.html("".join(_facts(title, entries) for title, entries in facts))


def _facts(title: str, entries: Iterable[tuple[str, str]]) -> str:
    body = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in entries)
    return f"<h4 class='ft-facts-title'>{escape(title)}</h4><dl class='ft-facts-list'>{body}</dl>"


def tiles(entries: Sequence[tuple[str, str, str]]) -> None:
    """Large figures: label, value, basis."""
    body = "".join(
        f"<li><span>{escape(label)}</span><strong>{escape(value)}</strong><span>{escape(basis)}</span></li>"
        for label, value, basis in entries
    )
    # One row, or two that are equally long.
    columns = len(entries) if len(entries) <= _MOST_TILES else -(-len(entries) // 2)
    st.html(f'<ul class="ft-figures ft-many" style="--ft-columns: {columns}">{body}</ul>')

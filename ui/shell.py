"""The frame around every page: its name in the browser, the look, the sidebar."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Final, Literal, NamedTuple

import streamlit as st
from streamlit import net_util

from ui.kit.lost_session import tell_of_lost_session
from ui.kit.uploads import open_page
from ui.visitors.page_sign import end_left_webcam, show_page_sign

# Where a request comes from another site, Streamlit asks a web service for the public address of this machine, and
# everybody waits meanwhile. There is no setting for that; our pages are reached under the names that a proxy gives.
net_util.get_external_ip = lambda: None

_STYLE: Final = Path(__file__).parent / "kit" / "style.css"
_ABOUT: Final = "Apparent age, apparent gender, ethnicity and facial expression of every face in a picture."


class _Page(NamedTuple):
    path: str
    label: str
    icon: str


# In the sidebar's order. A new page needs a line here, and its file in pages/.
PAGES: Final = (
    _Page("app.py", "Home", ":material/home:"),
    _Page("pages/1_Photo.py", "Photo", ":material/add_a_photo:"),
    _Page("pages/2_Webcam.py", "Webcam", ":material/videocam:"),
    _Page("pages/3_Visitors.py", "Visitors", ":material/storefront:"),
    _Page("pages/4_Model_performance.py", "Model performance", ":material/bar_chart:"),
    _Page("pages/5_Inside_the_CNN.py", "Inside the CNN", ":material/neurology:"),
    _Page("pages/6_About.py", "About", ":material/info:"),
)


def start_page(title: str, icon: str, layout: Literal["centered", "wide"] = "centered") -> None:
    """Must be a page's first call: sets its title and look, and draws the links to all pages.

    The links stand in the sidebar. A phone shows them above the page instead (style.css hides one of the two): there a
    sidebar covers the whole page, and stays open when one of our links is tapped.

    Args:
        title: the page's name, shown in the browser's tab.
        icon: one emoji; a ":material/" icon would be fetched from another machine.
        layout: "wide" for pages with pictures.
    """
    st.set_page_config(page_title=f"{title} · facetraits", page_icon=icon, layout=layout, menu_items={"About": _ABOUT})
    open_page(title)
    if title != "Visitors":
        end_left_webcam()
    st.html(_STYLE)
    with st.sidebar:
        st.html(
            '<p class="ft-brand">facetraits</p>'
            '<p class="ft-tagline">Faces in photos and live video, on your own machine.</p>'
        )
        _links()
        show_page_sign()
    with st.container(key="phone_navigation", horizontal=True, gap="xxsmall"):
        _links()
        show_page_sign()
    tell_of_lost_session()


def _links() -> None:
    for page in PAGES:
        st.page_link(page.path, label=page.label, icon=page.icon)


@st.cache_resource(show_spinner=False)
def warm_up() -> Thread:
    """Import the modules for charts and the log while the first visitor reads; each import takes half a second."""
    # Not in the thread: Altair asks for the types of a pandas that is loaded, and fails where only half of it is.
    import_module("pandas")
    thread = Thread(target=_draw_a_chart, name="warm up", daemon=True)
    thread.start()
    return thread


def _draw_a_chart() -> None:
    import_module("facetraits.visitors.recording")
    from ui.performance import charts as report_charts

    report_charts.epoch_series({"": (0.0,)}, "").to_dict()

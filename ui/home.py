"""Home: what the app does, how well, the ways in, for whom it is, and where it fails."""

from __future__ import annotations

import streamlit as st

from facetraits.faces.images import SUPPORTED_SUFFIXES
from ui.kit.components import lead, privacy_line, steps
from ui.kit.drop import files_wait
from ui.kit.uploads import upload_many
from ui.performance.overview import headline_figures
from ui.photo.session import LARGEST_PHOTO_MB, Picture
from ui.shell import start_page, warm_up


def show_home() -> None:
    """The whole page."""
    start_page("Home", "🙂")

    st.title("What a face looks like, and how sure we are", anchor=False)
    lead(
        "See apparent age, apparent gender, ethnicity and facial expression of every face in a photo or a live video. "
        "Each answer comes with its probability, and is marked if it is unsure."
    )
    _take_photos()
    with st.container(key="home_buttons"):
        photo, webcam, visitors = st.columns(3)
        if photo.button("Try a sample", type="primary", width="stretch", icon=":material/face:"):
            st.switch_page("pages/1_Photo.py", query_params={"source": "sample"})
        if webcam.button("Use the webcam", type="primary", width="stretch", icon=":material/videocam:"):
            st.switch_page("pages/2_Webcam.py")
        if visitors.button("Count visitors", type="primary", width="stretch", icon=":material/storefront:"):
            st.switch_page("pages/3_Visitors.py")
    privacy_line()

    st.header("How good is it?", anchor=False)
    headline_figures()
    with st.container(horizontal=True):
        st.page_link("pages/4_Model_performance.py", label="All measurements", icon=":material/bar_chart:")
        st.page_link("pages/5_Inside_the_CNN.py", label="Look inside a network", icon=":material/neurology:")
        st.page_link("pages/6_About.py", label="The networks and their licences", icon=":material/info:")

    st.header("How it works", anchor=False)
    steps(
        (
            ("Find", "A detector finds every face, from portraits to class photos, and five points in each."),
            ("Straighten", "Each face is turned upright and cut out, always in the same way."),
            (
                "Ask several networks",
                "Several convolutional networks, trained by us on labelled faces, give probabilities.",
            ),
            (
                "Answer with care",
                "Their weighted mean is the answer. An answer with low confidence is called unsure.",
            ),
        )
    )

    st.header("What it cannot do", anchor=False)
    st.markdown(
        "- It **guesses from pixels**. It does not know how old someone is, how they see themselves, where they come "
        "from or what they feel.\n"
        "- It is **less accurate for some people** than for others: for small children, for the very old, and for "
        "groups that are rare in the training pictures.\n"
        "- Gender has two classes and ethnicity five, because the training data are labelled so. People are not.\n"
        "- Small, dark, blurred and turned faces get a warning: **treat those answers with caution**.\n"
        "- **Never use it to decide about a person**: not for age checks, hiring, identification or surveillance."
    )

    st.header("Who it is for", anchor=False)
    st.markdown(
        "For **students and researchers** who want to see how such networks answer and where they fail, with every "
        "figure measured on pictures that the networks had not seen.\n\n"
        "For **shops** that want to know who comes in, when, in what mood, and who buys. The page Visitors counts "
        "visitors and stores no picture. But the networks that come with it learned from data sets that are free "
        "**for research only, not for business**. A shop may try it out; to run it for business it needs networks "
        "trained on data of its own or with a licence for that: `make train` does it with the same code, and About "
        "names the terms of each data set."
    )
    warm_up()


def _take_photos() -> None:
    """Photos that are dropped, pasted or chosen here are shown on the page Photo."""
    files_wait()
    files = upload_many(
        "Drop photos anywhere on this page, paste one, or choose them",
        LARGEST_PHOTO_MB,
        SUPPORTED_SUFFIXES,
        key="home_files",
    )
    if files:
        st.session_state["photo_uploads"] = [Picture(file.file_id, file.name, file.getvalue) for file in files]
        st.session_state["photo_source"] = "Upload"
        st.switch_page("pages/1_Photo.py")

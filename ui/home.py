"""Home: what the app does, for whom, with which networks, and where it fails."""

from __future__ import annotations

import streamlit as st

from ui.kit.components import lead, privacy_line, steps
from ui.performance.overview import model_overview
from ui.shell import start_page, warm_up


def show_home() -> None:
    """The whole page."""
    start_page("Home", "🙂")

    st.title("What a face looks like, and how sure we are", anchor=False)
    lead(
        "Drop a photo on the page or turn on the webcam and see, for every face, apparent age, apparent gender, "
        "ethnicity and facial expression. Each answer comes with its probability, and is marked if it is unsure."
    )
    with st.container(horizontal=True):
        if st.button("Analyse a photo", type="primary", icon=":material/add_a_photo:"):
            st.switch_page("pages/1_Photo.py")
        if st.button("Turn on the webcam", icon=":material/videocam:"):
            st.switch_page("pages/2_Webcam.py")
        if st.button("Count visitors", icon=":material/storefront:"):
            st.switch_page("pages/3_Visitors.py")
        if st.button("How good is it?", icon=":material/bar_chart:"):
            st.switch_page("pages/4_Model_performance.py")
        if st.button("Look inside", icon=":material/neurology:"):
            st.switch_page("pages/5_Inside_the_CNN.py")
        if st.button("About the networks", icon=":material/info:"):
            st.switch_page("pages/6_About.py")
    privacy_line()

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

    st.header("The networks", anchor=False)
    model_overview()

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
        "For curious people, students and researchers who want to see how such networks answer and where they fail, "
        "with every figure measured on held-out pictures. And for shops that want to know who comes in, when, in what "
        "mood, and who buys: the page Visitors counts visitors and stores no picture."
    )
    warm_up()

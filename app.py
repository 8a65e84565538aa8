"""The app: ``streamlit run`` imports this file to serve it, and then runs it as the page Home."""

import os

import streamlit as st

from ui.home import show_home
from ui.server import ending_left_sessions, middleware

if __name__ == "__main__":
    show_home()
else:
    app = st.App(__file__, lifespan=ending_left_sessions, middleware=middleware(os.environ))

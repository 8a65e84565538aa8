"""About: privacy, limits, the networks' cards and licences."""

import streamlit as st

from ui.kit.components import lead, privacy_line
from ui.performance.overview import headline_figures, licences, model_cards, network_table
from ui.shell import start_page

start_page("About", "ℹ️")
st.title("About", anchor=False)
lead("What happens to your pictures, which data the networks were trained on, and what they must not be used for.")

st.header("Privacy", anchor=False)
privacy_line()
st.markdown(
    "- Pictures and results live in the memory of this session only. Nothing is written to disk, and no other "
    "visitor's page can reach it.\n"
    "- The page Visitors is the exception, and off until the owner switches it on: it keeps numbers about visits "
    "(time, source, length of stay, apparent age and gender, mood, whether they bought) in the owner's own database, "
    "and never a picture. While anything records, every page says so.\n"
    "- Nothing is sent to another service: the networks, the fonts and the icons are all here.\n"
    "- Downloads hold what you see: boxes, estimates and the names of your files."
)

st.header("Fair use", anchor=False)
st.markdown(
    "- The estimates describe **how a face looks in one picture**. They say nothing certain about age, gender, origin, "
    "feelings or identity.\n"
    "- Show them only to people who understand what they are, and only for people who agreed.\n"
    "- Do not use them to decide about anybody. In many places the law forbids it.\n"
    "- If you count visitors, inform them at the entrance and make sure that the law allows it.\n"
    "- The networks that come with the app learned from data sets that are free for research only, not for business: "
    "the table below names them. A shop may try them out. To use them for business, train networks on data of your "
    "own, or with a licence for that: `make train` does it with the same code."
)

st.header("The networks", anchor=False)
headline_figures()
network_table()
st.page_link("pages/4_Model_performance.py", label="All measurements: Model performance", icon=":material/bar_chart:")
model_cards()

st.header("Licences", anchor=False)
licences()

"""The least that a webcam page can do, to compare with: the picture goes to the server and comes back as it is."""

import streamlit as st
from streamlit_webrtc import WebRtcMode, webrtc_streamer

st.title("Pass-through")
webrtc_streamer(
    "passthrough",
    mode=WebRtcMode.SENDRECV,
    rtc_configuration={"iceServers": []},
    media_stream_constraints={
        "video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30}},
        "audio": False,
    },
    video_frame_callback=lambda frame: frame,
    async_processing=True,
    sendback_audio=False,
    # As large as on the page it is compared with: the browser's work counts too.
    video_html_attrs={"autoPlay": True, "muted": True, "playsInline": True, "style": {"width": "510px"}},
    translations={"start": "Start camera", "stop": "Stop camera", "select_device": "Choose camera"},
)

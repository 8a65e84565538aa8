"""Live video begins sharp, in both directions."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from aiortc import RTCPeerConnection
from aiortc.codecs import CODECS
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from ui.live.bit_rates import begin_with_sharp_video


async def answer_to_a_browser() -> str:
    browser, server = RTCPeerConnection(), RTCPeerConnection()
    browser.addTransceiver("video")
    await browser.setLocalDescription(await browser.createOffer())
    await server.setRemoteDescription(browser.localDescription)
    await server.setLocalDescription(await server.createAnswer())
    described = server.localDescription.sdp
    await asyncio.gather(browser.close(), server.close())
    return described


def test_both_sides_begin_with_what_a_sharp_picture_needs():
    begin_with_sharp_video()
    begin_with_sharp_video()
    with ThreadPoolExecutor(1) as apart:  # a browser test may have left an event loop running in this thread
        answer = apart.submit(lambda: asyncio.run(answer_to_a_browser())).result()
    named = [line for line in answer.splitlines() if "x-google-start-bitrate=2500" in line]
    assert len(named) == sum(codec.name in ("VP8", "H264") for codec in CODECS["video"])
    for encoder in (Vp8Encoder(), H264Encoder()):
        assert encoder.target_bitrate == 2_500_000
        encoder.target_bitrate = 300_000  # as a slow network's browser asks for
        assert encoder.target_bitrate <= 500_000

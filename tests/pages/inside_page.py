"""How tests drive the page "Inside the CNN", with a stand-in for the process with Keras."""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from facetraits.ensemble import Member
from facetraits.inside.reading import read_network
from facetraits.inside.requests import YEARS, Forward, StrongestMaps
from facetraits.registry import load_manifest
from tests.builders import MODELS, ROOT, png

PAGE = "pages/5_Inside_the_CNN.py"
LAYERS, HEAT, FOOL, ARCHITECTURE = VIEWS = ("Layer by layer", "Where it looks", "Try to fool it", "Architecture")
MANIFEST = load_manifest(MODELS)


class FakeWorker:
    """Answers at once: the served network's probabilities, drawn maps, and heat in the upper left corner."""

    ready = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._networks = {name: read_network(entry.path) for name, entry in MANIFEST.differentiable.items()}

    def ask(self, request: str, /, **arguments: Any) -> Any:
        self.asked.append((request, arguments))
        if request == "hello":
            return "3.0"
        network = self._networks[arguments["member"]]
        if request == "heat":
            shape = network.by_name[arguments["layer"]].shape[:2]
            heat = np.zeros(shape, dtype=np.float32)
            heat[0, 0] = 2.0
            assert arguments["targets"] == YEARS or len(arguments["targets"]) == 2
            return heat, heat / 2
        assert request == "forward"
        rng = np.random.default_rng(0)
        outputs = Member(MANIFEST.members[arguments["member"]]).predict(arguments["crop"][None])
        count = arguments["count"]
        return Forward(
            {name: values[0] for name, values in outputs.items()},
            {
                layer.name: StrongestMaps(
                    tuple(range(count)),
                    rng.random((count, *layer.shape[:2]), dtype=np.float32),
                    layer.shape[2],
                )
                for layer in network.maps
            },
            {name: rng.random(network.by_name[name].shape, dtype=np.float32) for name in arguments["whole"]},
        )

    def count(self, request: str) -> int:
        return sum(name == request for name, _ in self.asked)


def open_page(view: str = LAYERS) -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run().switch_page(PAGE)
    page.run()
    if view != LAYERS:
        choose(page, "view", view)
    assert [error.value for error in page.exception] == []
    return page


def choose(page: AppTest, key: str, value: object) -> AppTest:
    next(widget for widget in page.get("button_group") if widget.key == key).set_value(value)
    page.run()
    assert [error.value for error in page.exception] == []
    return page


def upload(page: AppTest, image: NDArray[np.uint8]) -> AppTest:
    choose(page, "inside_source", "Upload")
    page.file_uploader[0].set_value(("face.png", png(image), "image/png")).run()
    assert [error.value for error in page.exception] == []
    return page


def raw(page: AppTest) -> str:
    return html.unescape(" ".join(piece.body for piece in page.html))


def text(page: AppTest) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", raw(page)))


def maps(page: AppTest) -> list[str]:
    return [button.label for button in page.button if button.label.startswith("Map ")]


def figures(page: AppTest) -> list[str]:
    return re.findall(r"<figcaption><strong>(.*?)</strong>", raw(page))


def choose_network(page: AppTest, name: str) -> AppTest:
    page.selectbox(key="inside_architecture").set_value(name).run()
    assert not page.exception
    return page

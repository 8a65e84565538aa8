"""The figures of all sources for Prometheus, on a port of this machine alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from facetraits.errors import UserError
from facetraits.visitors.figures import DELAYS_S, SourceFigures

_HOST: Final = "127.0.0.1"
_COUNTERS: Final = {
    "analysed": ("facetraits_pictures_analysed", "Pictures analysed"),
    "dropped": ("facetraits_pictures_dropped", "Pictures of a camera that were never analysed"),
    "failed": ("facetraits_pictures_failed", "Pictures that could not be analysed"),
    "losses": ("facetraits_connections_lost", "Connections to a camera that failed or were lost"),
    "reconnections": ("facetraits_reconnections", "Connections to a camera that work again after a loss"),
}
_GAUGES: Final = {
    "live": ("facetraits_source_live", "1 where the source gives pictures now"),
    "per_second": ("facetraits_pictures_per_second", "Pictures analysed per second, over the last seconds"),
    # Not a counter: a person who turns out to have been counted twice is taken back.
    "visits": ("facetraits_visits", "Visits counted since the start"),
    "unwritten": ("facetraits_visits_unwritten", "Visits whose newest state is not in the database yet"),
}


@contextmanager
def serve_metrics(port: int, figures: Callable[[], Sequence[SourceFigures]]) -> Iterator[int]:
    """Answer Prometheus at http://127.0.0.1:PORT/metrics while the context lasts; gives the port.

    Args:
        port: to listen on; 0 for one that is free.
        figures: gives those of now; called from another thread.

    Raises:
        UserError: the port is taken or must not be used.
    """
    registry = CollectorRegistry()
    registry.register(_Sources(figures))
    try:
        server, thread = start_http_server(port, addr=_HOST, registry=registry)
    except OSError as error:
        raise UserError(f"metrics cannot be served on port {port}: {(error.strerror or 'it fails').lower()}") from None
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Sources(Collector):
    """Turns the figures into metrics whenever they are asked for."""

    def __init__(self, figures: Callable[[], Sequence[SourceFigures]]) -> None:
        self._figures = figures

    def describe(self) -> list[Metric]:
        """Nothing before the first question: there may be no source yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics, with a sample for each source."""
        sources = self._figures()
        for field, (name, meaning) in _COUNTERS.items():
            counter = CounterMetricFamily(name, meaning, labels=["source"])
            for source in sources:
                counter.add_metric([source.name], getattr(source, field))
            yield counter
        for field, (name, meaning) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, meaning, labels=["source"])
            for source in sources:
                gauge.add_metric([source.name], float(getattr(source, field)))
            yield gauge
        delays = HistogramMetricFamily(
            "facetraits_answer_delay_seconds", "From the arrival of a picture to its answer", labels=["source"]
        )
        ends = [*map(str, DELAYS_S), "+Inf"]
        for source in sources:
            buckets = list(zip(ends, map(float, accumulate(source.delays)), strict=True))
            delays.add_metric([source.name], buckets, source.delay_s)
        yield delays

"""The served networks and how their answers become one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from facetraits.registry import Manifest, MemberEntry, ModelIntegrityError, ProfileEntry, checked_bytes

_MAX_BATCH: Final = 32  # crops in one call of a network, mirrored ones included: bounds the memory of crowded pictures


class Member:
    """One network on LiteRT: uint8 crops in, probabilities by output name out.

    A LiteRT interpreter keeps its tensors between calls, so one thread at a time uses it; others wait for it, or use
    another one.

    Args:
        entry: which file, and what it should hold.
        threads: processor threads for one call.
        interpreters: how many calls may run at once; each takes memory for weights and tensors.

    Raises:
        ModelIntegrityError: the file is missing, changed, or is not the network that the manifest promises.
    """

    def __init__(self, entry: MemberEntry, threads: int = 2, interpreters: int = 1) -> None:
        self._data = checked_bytes(entry.path, entry.sha256)  # the interpreters read from it for as long as they live
        self.entry = entry
        self._free: SimpleQueue[Any] = SimpleQueue()
        try:
            for _ in range(interpreters):
                interpreter = Interpreter(model_content=self._data, num_threads=threads)
                # By signature: the order of a converted network's outputs can differ from the original's.
                runner = interpreter.get_signature_runner()
                self._free.put(runner)
            outputs = set(runner.get_output_details())
        except (ValueError, RuntimeError) as error:
            raise ModelIntegrityError(f"The network {entry.path} cannot be loaded ({error}).") from error
        if outputs != set(entry.outputs):
            raise ModelIntegrityError(
                f"The network {entry.path} should answer {sorted(entry.outputs)} but answers {sorted(outputs)}."
            )

    def predict(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Probabilities for a batch.

        Args:
            crops: (N, S, S, 3) RGB, N > 0.

        Returns:
            Output name to (N, C).
        """
        run = self._free.get()
        try:
            return {name: np.array(values) for name, values in run(crops=crops).items()}
        finally:
            self._free.put(run)


class Ensemble:
    """The members of one profile and their calibrated weighted mean.

    Args:
        manifest: names every member.
        profile: which members count how much.
        threads: processor threads for one call of a network.
        callers: how many threads may use a network at once; more wait for each other.
    """

    def __init__(self, manifest: Manifest, profile: ProfileEntry, threads: int = 2, callers: int = 1) -> None:
        names = {name for entry in profile.traits.values() for name in entry.weights}
        self._profile = profile
        self._members = {name: Member(manifest.members[name], threads, callers) for name in sorted(names)}

    @property
    def outputs(self) -> tuple[str, ...]:
        """What can be asked for."""
        return tuple(self._profile.traits)

    @property
    def crop_names(self) -> frozenset[str]:
        """Crop geometries that ``predict`` needs."""
        return frozenset(member.entry.crop for member in self._members.values())

    def predict(
        self,
        crops: Mapping[str, NDArray[np.uint8]],
        outputs: Collection[str],
        progress: Callable[[float], None] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Calibrated probabilities of the ensemble; networks that no wanted output needs are not run.

        Args:
            crops: crop name to (N, S, S, 3) RGB of the same N faces; N may be 0.
            outputs: some of ``self.outputs``.
            progress: is called after each network with the share that is done, in (0, 1].

        Returns:
            Output name to (N, C) probabilities.

        Raises:
            ValueError: an output that this profile does not have.
        """
        unknown = set(outputs) - set(self.outputs)
        if unknown:
            raise ValueError(f"unknown outputs {sorted(unknown)}; there are {list(self.outputs)}")
        entries = {name: entry for name, entry in self._profile.traits.items() if name in outputs}
        count = len(next(iter(crops.values()))) if crops else 0
        if count == 0:
            return {name: np.empty((0, len(entry.classes)), dtype=np.float32) for name, entry in entries.items()}
        needed = {member for entry in entries.values() for member in entry.weights}
        answers = {}
        for done, name in enumerate(sorted(needed), start=1):
            answers[name] = self._answers(self._members[name], crops)
            if progress is not None:
                progress(done / len(needed))
        return {
            name: apply_temperature(
                np.sum([w * answers[member][name] for member, w in entry.weights.items()], axis=0), entry.temperature
            )
            for name, entry in entries.items()
        }

    def member_answers(
        self, crops: Mapping[str, NDArray[np.uint8]], names: Collection[str] | None = None
    ) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Member name to what that member alone says, of all members or some: output name to (N, C), uncalibrated."""
        return {
            name: self._answers(member, crops)
            for name, member in self._members.items()
            if names is None or name in names
        }

    def _answers(self, member: Member, crops: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        faces = crops[member.entry.crop]
        step = _MAX_BATCH // 2 if self._profile.flip else _MAX_BATCH
        parts = [self._answer(member, faces[i : i + step]) for i in range(0, len(faces), step)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _answer(self, member: Member, faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        if not self._profile.flip:
            return member.predict(faces)
        both = member.predict(np.concatenate([faces, faces[:, :, ::-1]]))
        half = np.float32(0.5)
        return {name: half * (values[: len(faces)] + values[len(faces) :]) for name, values in both.items()}


def apply_temperature(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float32]:
    """Divide the logits of probabilities by ``temperature`` (Guo et al. 2017).

    Args:
        probabilities: (N, C) in [0, 1]; rows sum to about 1.
        temperature: > 0; above 1 makes the answer less confident.

    Returns:
        (N, C); rows sum to 1.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    calibrated: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return calibrated.astype(np.float32)

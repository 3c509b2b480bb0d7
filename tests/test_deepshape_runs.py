"""Deepshape's networks through the training engine: several in one run, stopped, resumed, loaded, looked at."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kit import Run, Spec
from kit.errors import Stopped
from kit.tasks.deepshape.baselines import _inputs, resnet1d, unet
from kit.tasks.deepshape.data import ShapeData
from kit.tasks.deepshape.sequences import WIDTH, encode

N_TRAIN, N_TEST = 40, 6


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> ShapeData:
    """Random RNAs with random reactivities, and pairing probabilities that nobody had to fold."""
    rng = np.random.default_rng(0)
    codes = encode("".join(rng.choice(list("ACGU"), rng.integers(50, 90))) for _ in range(N_TRAIN + N_TEST))
    y = rng.random((N_TRAIN, WIDTH), dtype=np.float32)
    y[:, 60:] = np.nan
    maps = (rng.random((len(codes), WIDTH, WIDTH)) / WIDTH).astype(np.float16)
    maps = (maps + maps.transpose(0, 2, 1)) / 2
    monkeypatch.setattr(_inputs, "pairing", lambda _data: (maps[:N_TRAIN], maps[N_TRAIN:]))
    return ShapeData(
        x_train=codes[:N_TRAIN],
        y_train=y,
        x_test=codes[N_TRAIN:],
        spec=Spec(np.arange(N_TEST), tuple(map(str, range(WIDTH))), "probability"),
        source="random",
        groups=np.arange(N_TRAIN) // 2,
        error_train=np.full_like(y, 0.1),
    )


def run(folder: Path, start: str = "new") -> Run:
    return Run(wanted_device="cpu", epochs=2, batch_size=8, folder=folder, start=start)  # type: ignore[arg-type]


def test_each_network_of_an_ensemble_stops_and_goes_on_by_itself(
    data: ShapeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = resnet1d.predict(data, run(tmp_path / "whole"))
    assert whole.shape == (N_TEST, WIDTH)
    assert sorted(file.parent.name for file in (tmp_path / "whole").rglob("best.pt")) == [
        f"network-{n}" for n in range(resnet1d.NETWORKS)
    ]
    steps, real = 0, _inputs.certainty

    def stop_in_the_second(given: ShapeData) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 2:
            raise Stopped("as if after Ctrl-C")
        return real(given)

    monkeypatch.setattr(_inputs, "certainty", stop_in_the_second)
    with pytest.raises(Stopped):
        resnet1d.predict(data, run(tmp_path / "parts"))
    monkeypatch.setattr(_inputs, "certainty", real)
    np.testing.assert_array_equal(resnet1d.predict(data, run(tmp_path / "parts", "resume")), whole)
    np.testing.assert_array_equal(resnet1d.predict(data, run(tmp_path / "whole", "load")), whole)


def test_the_maps_of_the_unet_can_be_looked_at(
    data: ShapeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unet, "FILTERS", 4)
    torch.manual_seed(0)
    found = unet.predict(data, Run(wanted_device="cpu", epochs=3, batch_size=8, folder=tmp_path))
    assert found.shape == (N_TEST, WIDTH)
    monkeypatch.setattr(unet, "maps", None)  # looking changes nothing
    blind = unet.predict(data, Run(wanted_device="cpu", epochs=3, batch_size=8, folder=tmp_path / "blind"))
    np.testing.assert_array_equal(found, blind)
    events = EventAccumulator(str(tmp_path / "network-0"), size_guidance={"images": 0})
    events.Reload()
    assert any(tag.startswith("maps") for tag in events.Tags()["images"])

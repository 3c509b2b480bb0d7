"""Deepshape's losses, folding, features and networks."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from kit.tasks.deepshape import folding
from kit.tasks.deepshape.baselines import _windows, attention, bigru, resnet1d, unet
from kit.tasks.deepshape.baselines._inputs import CHANNELS, channels
from kit.tasks.deepshape.baselines._losses import masked_bce, masked_mse, symmetry
from kit.tasks.deepshape.sequences import PAD, WIDTH, encode

NAN = float("nan")
SEQUENCES = ["GGAAAGGGCAUGCGUACUUCGGUACGCAUGCCCAAAGAAACAACAACAACAAC", "GGAAACCCCGAAAGGGGAAAGAAACAACAACAACAAC"]


def drawn(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    targets = torch.rand(shape, generator=generator)
    targets[torch.rand(shape, generator=generator) < 0.3] = NAN
    return logits, targets


def test_masked_losses_are_the_plain_ones_over_measured_cells() -> None:
    logits, targets = drawn(6, 9)
    measured = ~targets.isnan()
    wanted = binary_cross_entropy(logits[measured].sigmoid(), targets[measured])
    assert masked_bce(logits, targets).item() == pytest.approx(wanted.item(), rel=1e-5)
    wanted = (logits[measured] - targets[measured]).square().mean()
    assert masked_mse(logits, targets).item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("loss", [masked_bce, masked_mse])
def test_what_was_not_measured_moves_nothing(loss: object) -> None:
    logits, targets = drawn(6, 9)
    loss(logits, targets).backward()  # type: ignore[operator]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[targets.isnan()] == 0).all()
    assert (logits.grad[~targets.isnan()] != 0).all()


@pytest.mark.parametrize("loss", [masked_bce, masked_mse])
def test_a_batch_with_nothing_measured_gives_zero_and_training_goes_on(loss: object) -> None:
    layer = torch.nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    value = loss(layer(torch.ones(2, 3)), torch.full((2, 4), NAN))  # type: ignore[operator]
    assert value.item() == 0
    value.backward()
    optimizer.step()
    assert torch.equal(layer.weight, before)
    loss(layer(torch.ones(2, 3)), torch.rand(2, 4)).backward()  # type: ignore[operator]
    optimizer.step()
    assert torch.isfinite(layer.weight).all()
    assert not torch.equal(layer.weight, before)


def test_weights_count_like_copies_of_a_cell() -> None:
    logits, targets = drawn(4, 5)
    weights = torch.ones(4, 5)
    weights[1] = 2
    twice = masked_mse(torch.cat([logits, logits[1:2]]), torch.cat([targets, targets[1:2]]))
    assert masked_mse(logits, targets, weights).item() == pytest.approx(twice.item(), rel=1e-5)
    weights[targets.isnan()] = NAN
    assert masked_mse(logits, targets, weights).item() == pytest.approx(twice.item(), rel=1e-5)


def test_prediction_and_truth_are_not_swapped_in_the_loss() -> None:
    sure_and_right = masked_bce(torch.tensor([9.0]), torch.tensor([1.0]))
    assert sure_and_right < 0.001 < masked_bce(torch.tensor([-9.0]), torch.tensor([1.0]))


def test_symmetry_is_zero_for_symmetric_maps_alone() -> None:
    maps = torch.rand(3, 5, 5)
    assert symmetry(maps + maps.transpose(1, 2)).item() == 0
    assert symmetry(maps).item() == pytest.approx(float(np.mean((maps.numpy() - maps.numpy().swapaxes(1, 2)) ** 2)))


def folded() -> tuple[np.ndarray, np.ndarray]:
    pytest.importorskip("RNA", reason="ViennaRNA is not installed")
    codes = encode(SEQUENCES)
    return codes, folding.fold(codes)


def test_folding_finds_the_helix_that_was_designed() -> None:
    codes, pairs = folded()
    assert pairs.shape == (2, WIDTH, WIDTH)
    np.testing.assert_array_equal(pairs, pairs.swapaxes(1, 2))
    helix = [(5 + k, 16 - k) for k in range(4)]  # CCCC with GGGG around GAAA
    assert min(pairs[1][pair] for pair in helix) > 0.8
    free = folding.unpaired(pairs, codes)
    assert free[1, 9:13].min() > 0.9
    assert (free[codes == PAD] == 0).all()


def test_folding_agrees_with_viennarna_itself() -> None:
    _, pairs = folded()
    import RNA

    wanted = np.zeros((len(SEQUENCES[0]),) * 2)
    for parameters, celsius in folding.MODELS:
        getattr(RNA, f"params_load_RNA_{parameters}")()
        model = RNA.md()
        model.temperature = celsius
        compound = RNA.fold_compound(SEQUENCES[0], model)
        compound.pf()
        wanted += np.array(compound.bpp())[1:, 1:] / len(folding.MODELS)
    np.testing.assert_allclose(pairs[0, : len(wanted), : len(wanted)], wanted + wanted.T, atol=2e-3)


def test_many_sequences_are_folded_in_processes_and_found_again() -> None:
    pytest.importorskip("RNA", reason="ViennaRNA is not installed")
    rng = np.random.default_rng(0)
    codes = encode("".join(rng.choice(list("ACGU"), 40)) for _ in range(130))
    look_up = folding.folded("toy", codes)
    some = rng.permutation(130)[:20]
    np.testing.assert_array_equal(look_up(codes[some]), folding.fold(codes[some]))
    new = encode(SEQUENCES)
    np.testing.assert_array_equal(look_up(np.concatenate([new, codes[:1]]))[:2], folding.fold(new))


def test_channels_say_who_the_partner_probably_is() -> None:
    codes = torch.tensor(encode(["GAAAC"]))
    pairs = torch.zeros(1, WIDTH, WIDTH, dtype=torch.float16)
    pairs[0, 0, 4] = pairs[0, 4, 0] = 0.5
    found = channels(codes, pairs)
    assert found.shape == (1, WIDTH, CHANNELS)
    assert found[0, 0].tolist() == [0, 0, 1, 0, 0, 0.5, 0, 0.5, 0, 0, 0.5 * 4 / 128]  # a G, half paired, with a C
    assert found[0, 2].tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]


def test_windows_hold_the_neighbours() -> None:
    codes = encode(["ACGU"])
    found = _windows.windows(codes, None, radius=1)
    assert found.shape == (1, WIDTH, 4 * 3 + 2)
    around = found[0, 1, :12].reshape(4, 3)  # letter, place in the window
    assert around.argmax(axis=0).tolist() == [0, 1, 2]
    assert found[0, 1, 12:].tolist() == [1, 2]  # from the start and to the end


def test_a_loop_is_found_by_the_pair_that_closes_it() -> None:
    pairs = np.zeros((1, WIDTH, WIDTH), np.float32)
    pairs[0, 10, 15] = pairs[0, 15, 10] = 0.75
    found = _windows.loops(pairs)
    places = [(offset, size) for size in (3, 4, 5, 6) for offset in range(size)]
    hits = {(int(i), places[k]) for _, i, k in np.argwhere(found > 0)}
    assert hits == {(11 + offset, (offset, 4)) for offset in range(4)}


def test_the_image_has_one_channel_for_each_two_letters() -> None:
    codes = torch.tensor(encode(["ACGU"]))
    found = unet.image(codes, None)
    assert found.shape == (1, 16, WIDTH, WIDTH)
    assert found.sum().item() == 16
    for i in range(4):
        for j in range(4):
            assert found[0, :, i, j].argmax().item() == 4 * i + j
    pairs = torch.rand(1, WIDTH, WIDTH).half()
    assert torch.equal(unet.image(codes, pairs)[:, 16], pairs.float())


def inputs(n: int = 2) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    pairs = torch.rand(n, WIDTH, WIDTH) / WIDTH
    return torch.tensor(encode(SEQUENCES))[:n], ((pairs + pairs.transpose(1, 2)) / 2).half()


@pytest.mark.parametrize("network", [attention.Transformer, bigru.BiGRU, resnet1d.ResNet, unet.UNet])
def test_a_network_gives_one_logit_a_position_and_all_its_weights_learn(network: type[torch.nn.Module]) -> None:
    codes, pairs = inputs()
    model = network()
    outputs = model(codes, pairs)
    loss = outputs.float().square().sum()
    loss.backward()
    assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in model.parameters())
    with torch.inference_mode():
        assert model.eval()(codes, pairs).shape == (2, WIDTH)


def test_the_unets_mean_is_over_the_sequence_alone() -> None:
    codes, pairs = inputs()
    model = unet.UNet()
    maps = model(codes, pairs).detach()
    inside = codes[0] != PAD
    assert maps[0][~inside].abs().max() == 0
    assert maps[0][:, ~inside].abs().max() == 0
    share = inside.float().mean()
    torch.testing.assert_close(maps[0].mean(dim=1)[inside], (maps[0] * share)[inside][:, inside].mean(dim=1))


def test_the_symmetric_unet_has_a_symmetric_map() -> None:
    codes, pairs = inputs()
    torch.manual_seed(0)
    plain, symmetric = unet.UNet(), unet.UNet(symmetric=True)
    assert symmetry(symmetric(codes, pairs)).item() < 1e-12
    assert symmetry(plain(codes, pairs)).item() > 1e-8

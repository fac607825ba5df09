"""Tests of a data set whose items depend on their seed and index alone."""

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, RandFlip, RandGaussianNoise, RandomizableTransform, RandShiftIntensity

from monai_vlsm.datasets.seeded_cache_dataset import SeededCacheDataset, mix_seeds


@pytest.fixture
def dataset():
    return SeededCacheDataset([torch.zeros(2)] * 5, Compose([RandGaussianNoise(prob=1.0)]))


def items(loader):
    return torch.cat([torch.as_tensor(batch) for batch in loader])


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_items_do_not_depend_on_who_loads_them(dataset, num_workers, batch_size):
    dataset.seed_items(7)
    expected = torch.stack([dataset[index] for index in range(5)])
    assert torch.equal(items(DataLoader(dataset, num_workers=num_workers, batch_size=batch_size)), expected)


def test_items_do_not_depend_on_their_order(dataset):
    dataset.seed_items(7)
    forwards, backwards = ([dataset[index] for index in order] for order in (range(5), range(4, -1, -1)))
    assert torch.equal(torch.stack(forwards), torch.stack(backwards[::-1]))


def test_all_items_and_all_seeds_draw_different_numbers(dataset):
    drawn = []
    for seed in range(3):
        dataset.seed_items(seed)
        drawn += [tuple(dataset[index].tolist()) for index in range(5)]
    assert len(set(drawn)) == 15


def test_processes_that_live_longer_than_an_epoch_draw_anew_too(dataset):
    loader = DataLoader(dataset, num_workers=1, persistent_workers=True)
    epochs = []
    for seed in (1, 2, 1):
        dataset.seed_items(seed)
        epochs.append(items(loader))
    assert not torch.equal(epochs[0], epochs[1])
    assert torch.equal(epochs[0], epochs[2])


def test_an_index_from_the_end_is_the_same_item(dataset):
    assert torch.equal(dataset[-1], dataset[4])


def test_there_is_nothing_behind_the_last_item(dataset):
    with pytest.raises(IndexError):
        dataset[5]


def drawn(dataset, transform, seed):
    """Return what MONAI's own way of seeding draws."""
    return transform.set_random_state(seed=mix_seeds(seed, 3))(dataset.data[3])


class Nested(RandomizableTransform):
    """A transform that seeds a part of its own, as MONAI's dictionary transforms do."""

    def __init__(self):
        super().__init__(prob=1.0)
        self.part = RandGaussianNoise(prob=1.0)

    def set_random_state(self, seed=None, state=None):
        self.part.set_random_state(seed=seed)
        return super().set_random_state(seed, state)

    def __call__(self, item):
        return self.part(item)


@pytest.mark.parametrize(
    "steps",
    [
        [RandGaussianNoise(1.0)],
        [RandFlip(0.5), Compose([RandGaussianNoise(1.0)]), RandShiftIntensity(2, prob=1.0)],
        [Nested()],
    ],
)
def test_seeding_again_draws_what_new_generators_would(steps):
    dataset = SeededCacheDataset([torch.zeros(1, 2, 2)] * 5, Compose(steps))
    for seed in (7, 8, 7):
        dataset.seed_items(seed)
        torch.testing.assert_close(dataset[3], drawn(dataset, Compose(steps), seed))


def test_an_item_as_it_was_does_not_change(dataset):
    dataset[0]
    assert not dataset.data[0].any()


def test_mixed_seeds_depend_on_every_seed_and_on_their_order():
    seeds = [(1, 2), (2, 1), (1, 3), (2**70, 1), (0, 0), (1, 2, 3)]
    assert len({mix_seeds(*pair) for pair in seeds}) == len(seeds)

"""Public images are drawn when they are needed, in an order that does not depend on how many are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import SHAPE, frames_of, make_context

from workbench.attacks import ATTACKS
from workbench.attacks.parts.public_images import PublicImages
from workbench.core.errors import Incompatible

BATCH = 100


class Tap:
    """A source of images in batches that counts those it has drawn."""

    def __init__(self, count: int = 400) -> None:
        self.count, self.drawn = count, 0

    def __iter__(self):
        rng = torch.Generator().manual_seed(0)
        for _ in range(self.count // BATCH):
            self.drawn += BATCH
            yield torch.rand(BATCH, *SHAPE, generator=rng)


def public(tap: Tap) -> PublicImages:
    return PublicImages(tap.count, iter(tap), "asks about samples")


def test_the_first_are_the_same_however_many_are_taken():
    few, many = public(Tap()), public(Tap())
    first, most = few.take(7), many.take(250)
    assert first.shape == (7, *SHAPE) and torch.equal(first, most[:7])
    assert torch.equal(few.take(250), most) and torch.equal(few.take(7), first)


def test_no_more_are_drawn_than_are_taken():
    tap = Tap()
    images = public(tap)
    assert len(images) == 400 and tap.drawn == 0
    images.take(101)
    assert tap.drawn == 200
    assert images.take(10**6).shape[0] == 400 and tap.drawn == 400
    assert images.take(0).shape[0] == 0


def test_a_choice_is_from_all_that_are_at_hand():
    at_hand = PublicImages.at_hand(torch.rand(30, *SHAPE), "asks about public images")
    assert len(at_hand.choice(5)) == 30
    tap = Tap()
    assert len(public(tap).choice(5)) == 5 and tap.drawn == BATCH


def test_some_are_taken_from_anywhere_and_by_the_seed_alone():
    """Sorted by class, as digits are: a few of them hold every class."""
    labels = torch.arange(5).repeat_interleave(200)
    images = PublicImages.at_hand(labels[:, None, None, None] / 4 * torch.ones(1000, *SHAPE), "asks about digits")
    some = images.some(100, torch.Generator().manual_seed(0))
    assert some.shape == (100, *SHAPE)
    seen = torch.bincount((4 * some[:, 0, 0, 0]).round().long(), minlength=5)
    assert (seen > 5).all() and torch.equal(some, images.some(100, torch.Generator().manual_seed(0)))
    assert len(images.some(5000, torch.Generator())) == 1000
    tap = Tap()
    assert len(public(tap).some(7, torch.Generator())) == 7 and tap.drawn == BATCH


@pytest.mark.parametrize("key", [e.key for e in ATTACKS if e.info.public and e.info.prior is not None])
def test_an_attack_on_latents_draws_none_unless_it_asks_about_them(key):
    tap = Tap()
    for _ in frames_of(key, replace(make_context(key), public=public(tap))):
        pass
    assert tap.drawn == 0


def test_the_first_frame_comes_before_a_public_image_is_drawn():
    tap = Tap()
    frames = frames_of("gmi", replace(make_context("gmi"), public=public(tap)), identity_loss="logit")
    next(frames)
    assert tap.drawn == 0
    next(frames)
    assert tap.drawn == 400, "the logit loss looks at a thousand, or at all there are"


@pytest.mark.parametrize("key", ["yang", "zhu"])
def test_a_decoder_says_so_where_there_is_nothing_public(key):
    with pytest.raises(Incompatible, match="this scenario offers none"):
        next(frames_of(key, replace(make_context(key), public=None)))

"""Protocols of the sum: it is the plain one, single updates are hidden, drop-outs are survived, liars are refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch

from workbench.analysis.protocol_costs import costs
from workbench.core.records import TrainingConfig
from workbench.federated.aggregate import aggregated
from workbench.federated.checks import Reception
from workbench.federated.fixed_point import decoded, encoded
from workbench.federated.protocols.base import PROTOCOLS, Refused, TooFewLeft
from workbench.federated.protocols.group import logarithm, minus, plus, times
from workbench.federated.protocols.hybrid_alpha import Authority, encrypted
from workbench.federated.protocols.masks import Masker, PairwiseMasks, stream
from workbench.federated.secret_sharing import recovered, shared
from workbench.federated.update import Update, flat, weighted_mean
from workbench.trainings.start import training_problems

NUMBERS = 3000
VECTORS = {p: torch.randn(NUMBERS, generator=torch.Generator().manual_seed(p)) for p in range(5)}
every_protocol = pytest.mark.parametrize("key", PROTOCOLS.keys())


def protocol(key: str):
    info = PROTOCOLS.entry(key).info
    if package := info.module or info.package:
        pytest.importorskip(package)
    return PROTOCOLS[key]()


@every_protocol
@pytest.mark.parametrize("gone", [frozenset(), frozenset({3})])
def test_a_sum_is_the_plain_one_whoever_drops_out(key, gone):
    vectors = {p: vector[:70] if PROTOCOLS.entry(key).info.most else vector for p, vector in VECTORS.items()}
    summed = protocol(key).sum(vectors, gone)
    plain = sum(vectors[p].double() for p in vectors if p not in gone)
    assert summed.left == [p for p in VECTORS if p not in gone]
    assert (summed.total - plain).abs().max() < 1e-4 and summed.sent > 0 < summed.received


def test_masks_hide_an_update_and_another_round_has_others():
    seen = PairwiseMasks().sum(VECTORS).seen
    assert abs(torch.corrcoef(torch.stack([seen, VECTORS[0].double()]))[0, 1]) < 0.1
    assert torch.histc((seen - seen.min()) / (seen.max() - seen.min()), 8).min() > 0.8 * NUMBERS / 8, "spread evenly"
    assert (stream(b"a", 1, 50) != stream(b"a", 2, 50)).mean() > 0.9 and (
        stream(b"a", 1, 9) == stream(b"a", 1, 9)
    ).all()


def test_too_few_lose_the_round():
    with pytest.raises(TooFewLeft, match="2 of 5 participants are left; the sum needs 4"):
        PairwiseMasks().sum(VECTORS, frozenset({0, 1, 4}))


def maskers() -> dict[int, Masker]:
    people = {p: Masker(p, 1, 2) for p in range(3)}
    keys = {p: person.public for p, person in people.items()}
    sealed = {sender: person.shares(keys) for sender, person in people.items()}
    for sender, envelopes in sealed.items():
        for other, envelope in envelopes.items():
            people[other].hold(sender, envelope)
    return people


def test_a_server_that_lies_is_refused():
    person = maskers()[0]
    with pytest.raises(Refused, match="told that this is round 2; it agreed on round 1"):
        person.masked(torch.zeros(3), 2)
    with pytest.raises(Refused, match="both secrets of participant 1"):
        person.unmasked(frozenset({0, 1, 2}), frozenset({1}))
    with pytest.raises(Refused, match="a sum of 1"):
        person.unmasked(frozenset({0}), frozenset({1, 2}))
    person.unmasked(frozenset({0, 1}), frozenset({2}))
    with pytest.raises(Refused, match="opened round 1 already"):
        person.unmasked(frozenset({0, 1, 2}), frozenset())
    with pytest.raises(Refused, match="cannot open what participant 1 shared"):
        person.hold(1, b"x" * 160)


def test_any_so_many_shares_give_a_secret_back_and_fewer_do_not():
    secret = bytes(range(32))
    shares = shared(secret, range(5), 3)
    assert all(recovered({p: shares[p] for p in some}) == secret for some in combinations(range(5), 3))
    assert recovered({p: shares[p] for p in (0, 1)}) != secret


def test_the_code_is_half_a_level_off_at_most_and_cuts_off():
    values = torch.tensor([-9.0, -8.0, 0.0, 1e-6, 3.21, 8.0])
    assert (decoded(encoded(values), 1) - values.clamp(-8, 8)).abs().max() < 1.92e-6


def updates(count: int = 4) -> list[Update]:
    rng = torch.Generator().manual_seed(0)
    return [Update(p, 1, 5 + p, {"w": torch.randn(4, 3, generator=rng)}) for p in range(count)]


@pytest.mark.parametrize("key", ["plain", "masks"])
def test_the_mean_is_weighed_by_images_of_who_is_left(key):
    sent = updates()
    outcome = aggregated(Reception(sent[0].delta), sent, frozenset({2}), key, 1)
    left = [u for u in sent if u.participant != 2]
    assert torch.allclose(flat(outcome.mean), flat(weighted_mean(left)), atol=1e-5)
    assert outcome.refused == {2: "Participant 2 dropped out."} and outcome.cost["sent"] > 0


def test_under_masks_a_participants_own_software_is_all_that_looks():
    sent = updates()
    spoilt = [replace(sent[0], delta={"w": sent[0].delta["w"] * torch.nan}), *sent[1:]]
    outcome = aggregated(Reception(sent[0].delta), spoilt, frozenset(), "masks", 1)
    assert "Participant 0 sends NaN" in outcome.refused[0] and len(outcome.refused) == 1
    assert torch.allclose(flat(outcome.mean), flat(weighted_mean(sent[1:])), atol=1e-5)
    boosted = [replace(sent[0], delta={"w": 20 * sent[0].delta["w"].clamp(-0.3, 0.3)}), *sent[1:]]
    assert aggregated(Reception(sent[0].delta), boosted, frozenset(), "masks", 1).refused == {}
    assert list(aggregated(Reception(sent[0].delta), boosted, frozenset(), "plain", 1).refused) == [0]


def test_a_lost_round_changes_nothing_and_says_so():
    sent = updates()
    outcome = aggregated(Reception(sent[0].delta), sent, frozenset({0, 1}), "masks", 1)
    assert outcome.mean is None and "The round is lost" in outcome.refused[3]


def test_a_third_party_gives_one_key_a_round_and_none_for_few():
    pytest.importorskip("nacl")
    authority = Authority(1, 3)
    with pytest.raises(Refused, match="a key to the sum of 1; it gives none below 3"):
        authority.key(frozenset({0}), 2, 1)
    with pytest.raises(Refused, match="a key of round 2; this is round 1"):
        authority.key(frozenset({0, 1, 2}), 2, 2)
    authority.key(frozenset({0, 1, 2}), 2, 1)
    with pytest.raises(Refused, match="has given its key of round 1 already"):
        authority.key(frozenset({0, 1, 3}), 2, 1)
    with pytest.raises(TooFewLeft, match="The round is lost"):
        PROTOCOLS["hybrid-alpha"]().sum({p: v[:2] for p, v in VECTORS.items()}, frozenset({0, 1}))


def test_a_ciphertext_alone_is_no_small_logarithm_and_its_key_opens_no_other_round():
    pytest.importorskip("nacl")
    numbers = torch.tensor([5, -3]).numpy()
    here, there = Authority(1, 1), Authority(2, 1)
    tags, points = encrypted(numbers, here.seed(0), here.public)
    assert logarithm(points[0], 10**5) is None

    def opened(authority: Authority) -> list[int | None]:
        rows, pads = authority.key(frozenset({0}), 2, authority.round)
        blinds = [plus(times(a, tags[0]), times(b, tags[1])) for a, b in rows[0]]
        return [logarithm(minus(minus(c, b), times(u)), 10**5) for c, b, u in zip(points, blinds, pads, strict=True)]

    assert opened(here) == [5, -3]
    assert opened(there) == [None, None]


@pytest.mark.parametrize("number", [0, 1, -1, 2**14, 2**14 + 1, -(2**15) - 1, 123456, -654321])
def test_logarithms_are_found_on_either_side_of_nought(number):
    pytest.importorskip("nacl")
    assert logarithm(times(number), 10**6) == number


def test_a_network_too_large_for_a_protocol_is_refused_before_it_starts():
    pytest.importorskip("phe")
    config = TrainingConfig("federated", "faces", target="cnn", recipe={"protocol": "paillier"})
    assert "sums 100,000 numbers in some minutes" in training_problems(config)[0]
    assert not training_problems(replace(config, recipe={"protocol": "masks"}))


def test_the_plain_view_is_the_image_and_the_masked_one_is_noise():
    rows = {row.title: row for row in costs("digits", "softmax", participants=4)}
    assert rows["Plain"].view > 60 and rows["Secure aggregation"].view < 20
    assert rows["Homomorphic, CKKS"].view is None and all(row.error < 1e-3 for row in rows.values())
    assert rows["Secure aggregation"].sent > rows["Plain"].sent

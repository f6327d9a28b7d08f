"""What may be asked: every question of a study with its pictures, drawn once by the study's seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain, combinations, zip_longest
from typing import Any

import torch
from torch import Tensor

from workbench.core.errors import UsageError
from workbench.scenarios import Scenario
from workbench.study.design import Design, Kind, Task
from workbench.study.sources import Reconstructions

NONE = "none"  # the answer to a line-up that nobody in it is shown
FIRST, SECOND = "first", "second"  # of two pictures, as the stimulus has them
SAME, OTHER = "yes", "no"
SAMPLE, PHOTOGRAPH = "random sample", "photograph"  # what stands where a run would, in a control


@dataclass(frozen=True)
class Stimulus:
    """One question.

    Attributes:
        id: its number in the study.
        cls: the class that the picture is asked about.
        pictures: numbers of the pictures asked about, two for which is closer.
        beside: numbers of the photographs shown with them: of the class, or one of each person of a line-up.
        people: the classes of a line-up, as `beside` has them.
        right: the answers that are right; () where that is what people are asked for.
        runs: where each of `pictures` is from.
        candidates: which picture of that run each is; -1 for what no run made.
    """

    id: int
    kind: Kind
    cls: int
    pictures: tuple[int, ...]
    beside: tuple[int, ...] = ()
    people: tuple[int, ...] = ()
    right: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    candidates: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> Stimulus:
        sequences = {name: tuple(value) for name, value in held.items() if isinstance(value, list)}
        return cls(**{**held, **sequences, "kind": Kind(held["kind"])})


class Album:
    """The pictures of a study, each kept once; `images[i]` is (C, H, W) in [0, 1]."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []
        self._known: dict[bytes, int] = {}

    def add(self, image: Tensor) -> int:
        """Return the number of a picture (C, H, W) in [0, 1]."""
        key = (image.clamp(0, 1) * 255).round().to(torch.uint8).numpy().tobytes()
        if key not in self._known:
            self._known[key] = len(self.images)
            self.images.append(image)
        return self._known[key]


class Drawer:
    """Draws the questions of one study.

    Args:
        sources: what is judged.
        samples: (S, C, H, W) random samples of a prior, in [0, 1]; none where no prior is here.

    Raises:
        UsageError: the question cannot be asked of these pictures, in a sentence that says why.
    """

    def __init__(self, design: Design, scenario: Scenario, sources: list[Reconstructions], samples: Tensor) -> None:
        self.design, self.scenario, self.sources, self.samples = design, scenario, sources, samples
        self.album, self.rng = Album(), random.Random(design.seed)
        self.known = scenario.private.train
        self.classes = sorted({c for source in sources for c in source.labels.tolist()})
        self._refuse()

    def _refuse(self) -> None:
        design, noun = self.design, self.scenario.class_noun
        if not self.classes:
            raise UsageError("There is nothing to judge: name at least one run, or a folder of pictures.")
        if design.task is Task.LINE_UP and self.scenario.num_classes < design.choices:
            raise UsageError(
                f"A line-up of {design.choices} needs as many private classes; {self.scenario.key} has "
                f"{self.scenario.num_classes}. Ask with at most {self.scenario.num_classes} choices."
            )
        if design.task is Task.CLOSER and len(self.sources) < 2:
            raise UsageError(
                "Which is closer compares two runs; choose another run of the same scenario beside this one."
            )
        needed = 0 if design.task is Task.REAL else 1 if design.task is Task.LINE_UP else design.references
        for c in self.classes:
            if (there := len(self.known.of_class(c))) < needed:
                raise UsageError(
                    f"{self.scenario.class_names[c]} has {there or 'no'} private photograph{'' if there == 1 else 's'}; "
                    f"{needed} are shown beside each picture. Leave this {noun} out, or show fewer photographs."
                )

    def stimuli(self) -> list[Stimulus]:
        """Return every question of the study, numbered."""
        makers = {
            Task.SAME: (self._reconstructions, self._positives, self._negatives, self._catches),
            Task.LINE_UP: (self._reconstructions, self._positives, self._negatives, self._catches),
            Task.REAL: (self._reconstructions, self._positives, self._samples, self._catches),
            Task.CLOSER: (self._pairs, self._photograph_pairs, self._sample_pairs, self._catch_pairs),
        }[self.design.task]
        return [Stimulus(i, **fields) for i, fields in enumerate(chain.from_iterable(make() for make in makers))]

    # What stands beside a picture

    def _beside(self, c: int, *, among: bool = True, holding: int | None = None) -> dict[str, Any]:
        """Draw the photographs beside a picture asked about class `c`.

        Args:
            among: whether a line-up holds `c`.
            holding: a photograph of the class, by its place there, that is to be among those shown.
        """
        if self.design.task is Task.REAL:
            return {}
        if self.design.task is Task.LINE_UP:
            others = [o for o in range(self.scenario.num_classes) if o != c and len(self.known.of_class(o))]
            wanted = self.design.choices - among
            if len(others) < wanted:
                return {}
            people = [c] * among + self.rng.sample(others, wanted)
            places = [holding if p == c and holding is not None else None for p in people]
            shown = [self.album.add(self._photograph(p, place)) for p, place in zip(people, places, strict=True)]
            return {"beside": tuple(shown), "people": tuple(people)}
        places_of = list(range(len(self.known.of_class(c))))
        drawn = self.rng.sample(places_of, self.design.references)
        if holding is not None and holding not in drawn:
            drawn[0] = holding
        return {"beside": tuple(self.album.add(self._photograph(c, place)) for place in drawn)}

    def _photograph(self, c: int, place: int | None = None) -> Tensor:
        """Return a training photograph (C, H, W) of a class, drawn where none is named."""
        of_class = self.known.of_class(c)
        return of_class[self.rng.randrange(len(of_class)) if place is None else place]

    def _held_out(self, c: int) -> Tensor | None:
        """Return a photograph (C, H, W) of a class that the target never saw, None where there is none."""
        of_class = self.scenario.private.heldout.of_class(c)
        return of_class[self.rng.randrange(len(of_class))] if len(of_class) else None

    def _shuffled(self, values: list[int]) -> list[int]:
        return self.rng.sample(values, len(values))

    def _yes(self, c: int) -> tuple[str, ...]:
        """Return the right answer to a picture that does show class `c`."""
        return {Task.SAME: (SAME,), Task.LINE_UP: (str(c),), Task.REAL: ("3", "4", "5")}[self.design.task]

    def _no(self) -> tuple[str, ...]:
        return {Task.SAME: (OTHER,), Task.LINE_UP: (NONE,), Task.REAL: ()}[self.design.task]

    # One picture at a time

    def _reconstructions(self) -> Iterator[dict[str, Any]]:
        for source in self.sources:
            for i, c in enumerate(source.labels.tolist()):
                yield {
                    "kind": Kind.RECONSTRUCTION,
                    "cls": c,
                    "pictures": (self.album.add(source.images[i]),),
                    "runs": (source.run,),
                    "candidates": (i,),
                    **self._beside(c),
                }

    def _positives(self) -> Iterator[dict[str, Any]]:
        for c in self._shuffled(self.classes):
            if (photograph := self._held_out(c)) is not None:
                right = () if self.design.task is Task.REAL else self._yes(c)
                yield self._control(Kind.HELD_OUT, c, photograph, PHOTOGRAPH, right)

    def _control(
        self, kind: Kind, c: int, image: Tensor, run: str, right: tuple[str, ...], among: bool = True, i: int = -1
    ) -> dict[str, Any]:
        beside = self._beside(c, among=among)
        shown = {"kind": kind, "cls": c, "pictures": (self.album.add(image),), "right": right}
        return {**shown, "runs": (run,), "candidates": (i,), **beside}

    def _negatives(self) -> Iterator[dict[str, Any]]:
        """Take turns between the kinds, so that every rater gets some of each."""
        kinds = (self._samples(), self._other_reconstructions(), self._other_photographs())
        for several in zip_longest(*kinds):
            for found in several:
                if found is not None and (found.get("beside") or self.design.task is Task.REAL):
                    yield found

    def _samples(self) -> Iterator[dict[str, Any]]:
        for image, c in zip(self.samples, self._shuffled(self.classes), strict=False):
            yield self._control(Kind.SAMPLE, c, image, SAMPLE, self._no(), among=False)

    def _other_reconstructions(self) -> Iterator[dict[str, Any]]:
        """A reconstruction of one class beside photographs of another."""
        if len(self.classes) < 2:
            return
        for c in self._shuffled(self.classes):
            source = self.rng.choice(self.sources)
            others = [i for i, label in enumerate(source.labels.tolist()) if label != c]
            if others:
                i = self.rng.choice(others)
                made_for = int(source.labels[i])
                control = self._control(
                    Kind.OTHER_RECONSTRUCTION, c, source.images[i], source.run, self._no(), among=False, i=i
                )
                if made_for not in control.get("people", ()):
                    yield control

    def _other_photographs(self) -> Iterator[dict[str, Any]]:
        everyone = [c for c in range(self.scenario.num_classes) if len(self.scenario.private.heldout.of_class(c))]
        for c in self._shuffled(self.classes):
            others = [o for o in everyone if o != c]
            if others and (photograph := self._held_out(self.rng.choice(others))) is not None:
                control = self._control(Kind.OTHER_PHOTOGRAPH, c, photograph, PHOTOGRAPH, self._no(), among=False)
                if self.design.task is Task.SAME:
                    yield control

    def _catches(self) -> Iterator[dict[str, Any]]:
        """One of the photographs itself, and a pattern that shows nobody, in turn."""
        classes = self._shuffled(self.classes)
        for turn in range(max(4, len(classes))):
            c = classes[turn % len(classes)]
            place = self.rng.randrange(max(1, len(self.known.of_class(c))))
            copy = turn % 2 == 0 and len(self.known.of_class(c)) > 0
            image = self._photograph(c, place) if copy else pattern(self.scenario.input_shape, turn)
            no = ("1", "2") if self.design.task is Task.REAL else self._no()
            right = self._yes(c) if copy else no
            beside = self._beside(c, among=copy, holding=place if copy else None) or self._beside(c)
            shown = {"kind": Kind.CATCH, "cls": c, "pictures": (self.album.add(image),), "right": right}
            yield {**shown, "runs": (PHOTOGRAPH if copy else "pattern",), "candidates": (-1,), **beside}

    # Two pictures at a time

    def _pairs(self) -> Iterator[dict[str, Any]]:
        found = False
        for a, b in combinations(self.sources, 2):
            for c in self.classes:
                ours, theirs = ((s.labels == c).nonzero()[:, 0].tolist() for s in (a, b))
                for i, j in zip(ours, theirs, strict=False):
                    found = True
                    yield self._pair(Kind.RECONSTRUCTION, c, (a.images[i], b.images[j]), (a.run, b.run), (i, j))
        if not found:
            raise UsageError("These runs share no class, so that no two pictures are of the same one. Choose others.")

    def _pair(
        self,
        kind: Kind,
        c: int,
        images: tuple[Tensor, Tensor],
        runs: tuple[str, str],
        candidates: tuple[int, int],
        right: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        shown = {"kind": kind, "cls": c, "pictures": tuple(self.album.add(image) for image in images), "right": right}
        return {**shown, "runs": runs, "candidates": candidates, **self._beside(c)}

    def _any_of(self, c: int) -> tuple[Reconstructions, int]:
        """Draw a reconstruction of a class."""
        source = self.rng.choice([s for s in self.sources if (s.labels == c).any()])
        return source, self.rng.choice((source.labels == c).nonzero()[:, 0].tolist())

    def _photograph_pairs(self) -> Iterator[dict[str, Any]]:
        for c in self._shuffled(self.classes):
            source, i = self._any_of(c)
            if (photograph := self._held_out(c)) is not None:
                images, runs = (source.images[i], photograph), (source.run, PHOTOGRAPH)
                yield self._pair(Kind.HELD_OUT, c, images, runs, (i, -1), (SECOND,))

    def _sample_pairs(self) -> Iterator[dict[str, Any]]:
        for image, c in zip(self.samples, self._shuffled(self.classes), strict=False):
            source, i = self._any_of(c)
            yield self._pair(Kind.SAMPLE, c, (source.images[i], image), (source.run, SAMPLE), (i, -1))

    def _catch_pairs(self) -> Iterator[dict[str, Any]]:
        for turn, c in enumerate(self._shuffled(self.classes)):
            images = (self._photograph(c), pattern(self.scenario.input_shape, turn))
            yield self._pair(Kind.CATCH, c, images, (PHOTOGRAPH, "pattern"), (-1, -1), (FIRST,))


def pattern(shape: tuple[int, int, int], turn: int) -> Tensor:
    """Return a picture (C, H, W) in [0, 1] that shows nobody: bands, of a width and direction by `turn`."""
    channels, height, width = shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    wide = 2 + turn % 4
    along = (rows, columns, rows + columns)[turn % 3]
    return ((along // wide) % 2).float().mul(0.8).add(0.1).expand(channels, -1, -1).clone()

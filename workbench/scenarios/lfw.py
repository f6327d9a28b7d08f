"""Labeled Faces in the Wild in colour: the 62 people with at least 20 photographs are private.

Huang, Ramesh, Berg and Learned-Miller, University of Massachusetts TR 07-49, 2007. The photographs are
press pictures and are not shipped: they are read from scikit-learn's cache after one call of
`fetch_lfw_people` on a connected machine, or from a folder. Targets and priors are shipped, so that the
attack itself runs without them.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.core.errors import DataMissing
from workbench.core.paths import data_dir
from workbench.scenarios.base import Labelled, Scenario, Split, scenario, split_by_class
from workbench.scenarios.byte_images import ByteImages
from workbench.scenarios.images import read_folder
from workbench.scenarios.reading.picture import BrokenPicture, NotAPicture, in_colours, opened_picture, upright

PEOPLE = [
    "Alejandro_Toledo",
    "Alvaro_Uribe",
    "Amelie_Mauresmo",
    "Andre_Agassi",
    "Angelina_Jolie",
    "Ariel_Sharon",
    "Arnold_Schwarzenegger",
    "Atal_Bihari_Vajpayee",
    "Bill_Clinton",
    "Carlos_Menem",
    "Colin_Powell",
    "David_Beckham",
    "Donald_Rumsfeld",
    "George_Robertson",
    "George_W_Bush",
    "Gerhard_Schroeder",
    "Gloria_Macapagal_Arroyo",
    "Gray_Davis",
    "Guillermo_Coria",
    "Hamid_Karzai",
    "Hans_Blix",
    "Hugo_Chavez",
    "Igor_Ivanov",
    "Jack_Straw",
    "Jacques_Chirac",
    "Jean_Chretien",
    "Jennifer_Aniston",
    "Jennifer_Capriati",
    "Jennifer_Lopez",
    "Jeremy_Greenstock",
    "Jiang_Zemin",
    "John_Ashcroft",
    "John_Negroponte",
    "Jose_Maria_Aznar",
    "Juan_Carlos_Ferrero",
    "Junichiro_Koizumi",
    "Kofi_Annan",
    "Laura_Bush",
    "Lindsay_Davenport",
    "Lleyton_Hewitt",
    "Luiz_Inacio_Lula_da_Silva",
    "Mahmoud_Abbas",
    "Megawati_Sukarnoputri",
    "Michael_Bloomberg",
    "Naomi_Watts",
    "Nestor_Kirchner",
    "Paul_Bremer",
    "Pete_Sampras",
    "Recep_Tayyip_Erdogan",
    "Ricardo_Lagos",
    "Roh_Moo-hyun",
    "Rudolph_Giuliani",
    "Saddam_Hussein",
    "Serena_Williams",
    "Silvio_Berlusconi",
    "Tiger_Woods",
    "Tom_Daschle",
    "Tom_Ridge",
    "Tony_Blair",
    "Vicente_Fox",
    "Vladimir_Putin",
    "Winona_Ryder",
]
# Of the 250x250 photograph; the same eye geometry as CelebA's aligned faces cut to (26, 54, 150, 178).
CROP = (65, 60, 185, 180)
MOST = 60  # photographs of a person; one of them has 530
HELP = (
    "The LFW photographs are not here; the attack runs without them, but true faces and metrics are missing. On a "
    'connected machine run: python -c "from sklearn.datasets import fetch_lfw_people; '
    'fetch_lfw_people(min_faces_per_person=20)", or put a folder for each person under '
)


def photograph_folders() -> list[Path]:
    """Return where the photographs may lie, in order of preference: the data folder, scikit-learn's cache."""
    cache = Path(os.environ.get("SCIKIT_LEARN_DATA", Path.home() / "scikit_learn_data")) / "lfw_home"
    return [data_dir() / "lfw", cache / "lfw_funneled", cache / "lfw"]


def read_photograph(path: Path) -> np.ndarray:
    """Return one photograph as uint8 (3, 64, 64); a 250x250 original is cut first.

    Raises:
        NotAPicture, BrokenPicture: it cannot be read.
    """
    with opened_picture(path) as opened:
        image = in_colours(upright(opened), "RGB")
        if image.size == (250, 250):
            image = image.crop(CROP)
        if image.size != (64, 64):
            image = image.resize((64, 64), Image.Resampling.LANCZOS)
        return np.asarray(image).transpose(2, 0, 1)


@scenario("lfw", order=3)
class LFW(Scenario):
    title = "LFW (colour, 62 people)"
    summary = "62 public figures in press photographs; the attacker knows thousands of other people's faces."
    input_shape = (3, 64, 64)
    class_names = tuple(name.replace("_", " ") for name in PEOPLE)
    class_noun = "person"
    private_source = "Labeled Faces in the Wild, the 62 people with 20 or more photographs, at most 60 of each"
    public_source = "everyone else in LFW, and other people's aligned faces such as CelebA's"
    flips = True
    evaluator = "mobilefacenet"
    default_attack = "plg-mi"

    def load_private(self) -> Split:
        for folder in photograph_folders():
            if all((folder / name).is_dir() for name in PEOPLE):
                break
        else:
            raise DataMissing(f"{HELP}{photograph_folders()[0]}.")
        images, labels = [], []
        for label, name in enumerate(PEOPLE):
            paths = sorted((folder / name).glob("*.jpg"))[:MOST]
            if len(paths) < 20:
                raise DataMissing(f"{folder / name} holds {len(paths)} photographs; at least 20 are needed.")
            try:
                images += [read_photograph(path) for path in paths]
            except (NotAPicture, BrokenPicture) as error:
                raise DataMissing(
                    f"A photograph in {folder / name} cannot be read ({error}). Fetch it again."
                ) from None
            labels += [label] * len(paths)
        data = Labelled(ByteImages.of(torch.from_numpy(np.stack(images))), torch.tensor(labels))
        return split_by_class(data, 0.75, self.split_seed)

    def public(self, folder: Path | None = None) -> Tensor:
        if folder is None:
            raise DataMissing(
                "lfw ships no public images, only priors trained on them. Name a folder of other people's "
                "aligned faces with --data, for instance CelebA's img_align_celeba."
            )
        private = {name.lower() for name in PEOPLE}
        found = (
            [part for part in folder.rglob("*") if part.is_dir() and part.name.lower() in private]
            if folder.is_dir()
            else []
        )
        if found:
            raise DataMissing(
                f"{folder} holds private people, the first is {found[0].name}. A prior must not have seen "
                "them; move their folders elsewhere."
            )
        return read_folder(folder, self.input_shape)

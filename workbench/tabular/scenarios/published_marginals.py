"""Made-up warfarin patients, drawn from figures that were published about real ones; nobody is behind any of them.

Sources: the dosing equation of the International Warfarin Pharmacogenetics Consortium (NEJM 360, 2009,
https://doi.org/10.1056/NEJMoa0809329, supplement), which gives the square root of the weekly dose; the distribution of race,
age, sex and size that its table 1 reports, rounded. Genotypes of VKORC1 −1639 in Asians and Whites are those of Yuan et al.
(Human Molecular Genetics 14, 2005; ClinVar RCV000002295), in Blacks after Limdi et al. (Blood 115, 2010); of CYP2C9 after
Scott et al. (Pharmacogenomics 11, 2010). They agree with the allele frequencies of the 1000 Genomes Project in table 1 of
Shendre, Dillon and Limdi (Pharmacogenomics 19, 2018, https://doi.org/10.2217/pgs-2018-0146) and with the carriers among
Americans in table 1 of Limdi et al. (Blood 126, 2015). Other and mixed races are that table's admixed Americans, in
Hardy-Weinberg proportions. Only marginals by race are matched: no dependence between, say, weight and genotype within a
race is in here, and no record of any patient was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tabular.table import Array, Column, DataTable

AGES = ("10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+")
RACES = ("Asian", "Black", "White", "Other")
VKORC1 = ("A/A", "A/G", "G/G")
CYP2C9 = ("*1/*1", "*1/*2", "*1/*3", "*2/*2", "*2/*3", "*3/*3")
NO_YES = ("no", "yes")

COLUMNS = (
    Column("age", low=1, high=9, public_range=True),  # in decades, as the equation has it
    Column("height", low=125, high=210, public_range=True),  # cm
    Column("weight", low=30, high=200, public_range=True),  # kg
    Column("race", RACES),
    Column("gender", ("female", "male")),
    Column("enzyme_inducer", NO_YES),
    Column("amiodarone", NO_YES),
    Column("vkorc1", VKORC1),
    Column("cyp2c9", CYP2C9),
    Column("dose", low=2, high=175, public_range=True),  # mg a week
)

SHARES = (0.30, 0.09, 0.55, 0.06)  # of races
AGE_SHARES = (0.003, 0.024, 0.042, 0.096, 0.193, 0.247, 0.278, 0.112, 0.005)
MALE = 0.58
HEIGHT = {"female": (161.0, 7.0), "male": (173.5, 8.0)}  # cm: mean, deviation
SHORTER = (-5.5, 0.0, 1.5, 0.0)  # cm, by race
WEIGHT = {"female": (71.0, 17.0), "male": (83.0, 18.0)}  # kg
LIGHTER = (-16.0, 8.0, 5.0, 0.0)  # kg, by race
INDUCER, AMIODARONE = 0.012, 0.065
VKORC1_SHARES = ((0.80, 0.18, 0.02), (0.02, 0.19, 0.79), (0.14, 0.47, 0.39), (0.17, 0.48, 0.35))
CYP2C9_SHARES = (
    (0.93, 0.005, 0.06, 0.001, 0.001, 0.003),
    (0.92, 0.045, 0.03, 0.002, 0.002, 0.001),
    (0.66, 0.19, 0.11, 0.015, 0.02, 0.005),
    (0.746, 0.171, 0.064, 0.010, 0.007, 0.002),
)


@dataclass(frozen=True)
class DosingEquation:
    """Coefficients of the consortium's equation for the square root of the dose in mg a week."""

    intercept: float = 5.6044
    age: float = -0.2614  # a decade
    height: float = 0.0087  # a cm
    weight: float = 0.0128  # a kg
    vkorc1: tuple[float, ...] = (-1.6974, -0.8677, 0.0)
    cyp2c9: tuple[float, ...] = (0.0, -0.5211, -0.9357, -1.0616, -1.9206, -2.3312)
    race: tuple[float, ...] = (-0.1092, -0.2760, 0.0, -0.1032)
    inducer: float = 1.1816
    amiodarone: float = -0.5503

    def root_dose(self, data: Array) -> Array:
        """Return the square root of the weekly dose, (N,), of patients (N, C) in the order of `COLUMNS`."""
        age, height, weight, race, _, inducer, amiodarone, vkorc1, cyp2c9 = data[:, :9].T
        return (
            self.intercept
            + self.age * age
            + self.height * height
            + self.weight * weight
            + np.take(self.race, race.astype(int))
            + self.inducer * inducer
            + self.amiodarone * amiodarone
            + np.take(self.vkorc1, vkorc1.astype(int))
            + np.take(self.cyp2c9, cyp2c9.astype(int))
        )


EQUATION = DosingEquation()
RESIDUAL = 0.98  # of the root dose: with it the equation explains about .45 of the variance, as was reported


def drawn(count: int, seed: int = 0) -> DataTable:
    """Return made-up patients, drawn by seed; heights, weights and doses keep to their columns' ranges."""
    rng = np.random.default_rng(seed)
    race = rng.choice(len(RACES), count, p=SHARES)
    male = rng.random(count) < MALE
    data = np.zeros((count, len(COLUMNS)))
    data[:, 0] = 1 + rng.choice(len(AGES), count, p=AGE_SHARES)
    data[:, 1] = _of_sex(rng, HEIGHT, male) + np.take(SHORTER, race)
    data[:, 2] = _of_sex(rng, WEIGHT, male) + np.take(LIGHTER, race)
    data[:, 3], data[:, 4] = race, male
    data[:, 5], data[:, 6] = rng.random(count) < INDUCER, rng.random(count) < AMIODARONE
    data[:, 7], data[:, 8] = _by_race(rng, VKORC1_SHARES, race), _by_race(rng, CYP2C9_SHARES, race)
    for i in (1, 2):
        data[:, i] = data[:, i].clip(COLUMNS[i].low, COLUMNS[i].high).round()
    root = EQUATION.root_dose(data) + rng.normal(0, RESIDUAL, count)
    data[:, 9] = np.square(root.clip(np.sqrt(COLUMNS[9].low), np.sqrt(COLUMNS[9].high))).round(1)
    return DataTable(COLUMNS, data)


def _of_sex(rng: np.random.Generator, figures: dict[str, tuple[float, float]], male: NDArray[np.bool_]) -> Array:
    noise = rng.normal(size=len(male))
    (fm, fs), (mm, ms) = figures["female"], figures["male"]
    return np.where(male, mm + ms * noise, fm + fs * noise)


def _by_race(rng: np.random.Generator, shares: tuple[tuple[float, ...], ...], race: NDArray[np.int64]) -> Array:
    """Return values (N,) drawn with shares that depend on race (N,)."""
    table = np.cumsum([np.array(row) / sum(row) for row in shares], axis=1)
    return (rng.random(len(race))[:, None] > table[race]).sum(1).clip(0, table.shape[1] - 1).astype(float)

"""What the page Empirical says in each of its views."""

from __future__ import annotations

from collections.abc import Sequence

import words

from fimcore.experiments.empirical_fisher import DATA_SETS, SETTLE, STARTS, Spec
from fimcore.experiments.result import Result

SETTLES = {
    "optimum": "arrive at the optimum",
    "two-cycle": "never arrive: they alternate between two points on either side of the optimum",
    "unequal two-cycle": "never arrive: they alternate between two points at unequal distances",
    "longer cycle": "never arrive: they repeat in a longer cycle",
    "wanders": "never arrive: they wander without repeating",
    "on the edge": "are on the edge between two kinds, where nothing settles in finite time",
}


def finding(result: Result) -> str:
    """The first sentence of the view."""
    assert isinstance(result.spec, Spec)
    return {"sets": sets, "field": field, "map": ends}[result.spec.view](result)


def sets(result: Result) -> str:
    """Right models against the worst wrong one, averaged over seeds."""
    means = result.table.groupby("data")[["small", "large"]].mean()
    right = means.loc[[data.name for data in DATA_SETS if data.right]]
    wrong = means.loc[[data.name for data in DATA_SETS if not data.right]]
    if not (right.notna().all(axis=None) and wrong.notna().any(axis=None)):
        return "Some samples are too small to have an optimum: their classes are parted by a line."
    low, high = words.number(wrong["small"].min(), 2), words.number(wrong["large"].max(), 2)
    missing = int(result.table["small"].isna().sum())
    left_out = (
        f" {words.count_of(missing, 'sample')} without an optimum (a line parts the classes): left out."
        if missing
        else ""
    )
    return (
        "Where the model is right, the empirical Fisher is the Fisher up to noise: eigenvalues of F⁻¹F̃ "
        f"between **{words.number(right['small'].min(), 2)} and {words.number(right['large'].max(), 2)}** on average. Where it is "
        f"wrong they reach from **{low} to {high}**, at the optimum, and more samples do not help.{left_out}"
    )


def field(result: Result) -> str:
    """How far off the first direction with the empirical Fisher is, at its worst start."""
    table = result.table
    cosines = table[table["flow"] == "empirical"].pivot_table(
        index="seed", columns=["theta_1", "theta_2"], values="cosine"
    )
    values = cosines.to_numpy(dtype=float)
    place = int(values.mean(axis=0).argmin())
    worst = [float(level[place]) for level in zip(*cosines.columns, strict=True)]
    mean = float(values[:, place].mean())
    spread = float(values[:, place].std(ddof=1)) if len(values) > 1 else 0.0
    sense = "away from the optimum" if mean < 0 else "far from the direct way"
    return (
        "The natural gradient of linear regression points straight at the optimum from everywhere. With the empirical Fisher "
        f"the first direction from {point(worst)} has cosine **{words.with_spread(mean, spread, result.spec.seeds)}** with "
        f"that way: it leads {sense}. And the step is short where the optimum is far."
    )


def lengths(result: Result) -> str:
    """Length of the directions far from the optimum over that near it."""
    table = result.tables["field"]
    edge = table["distance"].quantile([0.15, 0.85])
    far = table[table["distance"] > edge.iloc[1]].groupby("flow")["length"].median()
    near = table[table["distance"] < edge.iloc[0]].groupby("flow")["length"].median()
    ratio = far / near
    change = "shrinks to" if ratio["empirical"] < 1 else "grows to"
    return (
        f"From the nearest to the farthest points the natural gradient's step grows to {words.number(ratio['natural'], 2)} times "
        f"its length, as it should; the one with the empirical Fisher {change} {words.number(ratio['empirical'], 2)} times."
    )


def ends(result: Result) -> str:
    """What the steps do, and what they do with the exact Fisher."""
    spec = result.spec
    assert isinstance(spec, Spec)
    counts = result.table["kind"].value_counts()
    first = str(counts.index[0])
    who = (
        f"all {spec.seeds} starts"
        if len(counts) == 1 and spec.seeds > 1
        else f"{int(counts.iloc[0])} of {spec.seeds} starts"
    )
    settles = SETTLES[first]
    late = int((result.table["residual"] > 1e-6).sum())
    if spec.rate < spec.noise and late:
        who = f"{late} of {words.count_of(spec.seeds, 'start')}"
        settles = f"approach the optimum too slowly to be there after {SETTLE:,} steps"
    exact = "arrives" if spec.rate < 2 else "**diverges**" if spec.rate > 2 else "alternates forever"
    return (
        f"At η = {spec.rate:g} and s² = {spec.noise:g}, steps with the empirical Fisher from {who} "
        f"**{settles}**. With the exact Fisher the same step size {exact}."
    )


def starts() -> str:
    """The four starts, as people write points."""
    return words.joined([point(start) for start in STARTS.tolist()])


def point(place: Sequence[float]) -> str:
    """ "(−0.5, 3)"."""
    return f"({place[0]:g}, {place[1]:g})".replace("-", words.number(-1)[0])

"""What the page Toy descent says: which estimates blow up, and where the others arrive."""

from __future__ import annotations

import math

import words

from fimcore.experiments.result import Result
from fimcore.experiments.toy_descent import ESTIMATORS, Spec

NAMES = {
    "score": "the squared score",
    "hessian": "minus Hessian",
    "exact": "the exact Fisher",
    "empirical": "the empirical Fisher",
}
SLOW = 2.0  # times the loss of the best: has not arrived


def share_of(result: Result, estimator: str) -> str:
    """ "26 of 40 runs (95 % interval 50 to 78 %)"."""
    row = result.table[result.table["estimator"] == estimator].to_dict("records")[0]
    interval = f"95 % interval {100 * row['low']:.0f} to {100 * row['high']:.0f} %"
    return f"**{int(row['blown_up'])} of {words.count_of(result.spec.seeds, 'run')}** ({interval})"


def finding(result: Result) -> str:
    """Blow-ups of both estimators, then of the two matrices without sampling, then who has not arrived."""
    spec = result.spec
    assert isinstance(spec, Spec)
    counts = result.table.set_index("estimator")["blown_up"]
    seen = words.count_of(spec.drawn, "input")
    text = (
        f"With {seen} an estimate, the natural gradient blows up in {share_of(result, 'score')} with the squared score and in "
        f"{share_of(result, 'hessian')} with minus Hessian."
    )
    if counts["score"] == counts["hessian"] == 0:
        text = f"At this damping, {seen} are enough: no run blows up with the squared score, none with minus Hessian."
    lost = [f"{int(counts[name])} of {spec.seeds} with {NAMES[name]}" for name in ESTIMATORS[2:] if counts[name]]
    if lost:
        text += f" All inputs do not make it safe either: {words.joined(lost)}."
    return f"{text} {arrival(result)}"


def arrival(result: Result) -> str:
    """Median test losses after the last step."""
    losses = result.tables["losses"]
    last = losses[losses["step"] == losses["step"].max()].set_index("estimator")["median"]
    best = last.min()
    slow = [name for name in ESTIMATORS if not last[name] <= SLOW * best]
    after = f"After {words.count_of(int(losses['step'].max()), 'step')} the median test loss"
    if math.isnan(best):
        return f"{after} is lost with every matrix: the step is too large."
    text = f"{after} is {words.number(float(best))}"
    if not slow:
        return f"{text} with all four, or near it."
    far = [
        f"{words.number(float(last[name]))} with {NAMES[name]}"
        if last[name] == last[name]
        else f"lost with {NAMES[name]}"
        for name in slow
    ]
    return f"{text} with the best, but {words.joined(far)}."


def blow_ups(result: Result) -> str:
    """What the picture against damping says: from which damping on no run of each estimator blows up."""
    swept = result.tables["damping"].pivot_table(index="damping", columns="estimator", values="blown_up")
    safe_from, never = [], []
    for name in ESTIMATORS:
        safe = swept.index[(swept[name][::-1].cumsum()[::-1] == 0).to_numpy()]
        if len(safe):
            safe_from.append(f"{NAMES[name]} from λ = {words.number(float(safe[0]))}")
        else:
            never.append(NAMES[name])
    said = [f"No run blows up with {words.joined(safe_from)}."] if safe_from else []
    if never:
        said.append(f"Runs blow up even at the largest λ here with {words.joined(never)}.")
    return " ".join(said)


def variance(result: Result) -> str:
    """The ratio of both variances at the start and at the end."""
    table = result.tables["variances"].pivot_table(index="step", columns="estimator", values="median")
    ratio = table["score"] / table["hessian"]
    if ratio.dropna().empty:
        return "The places visited are no longer finite."
    first, last = (words.number(float(ratio.dropna().iloc[place]), 2) for place in (0, -1))
    if first == last:
        return f"The squared score varies {first} times as much as minus Hessian, from the start to the end."
    return f"The squared score varies {first} times as much as minus Hessian at the start, {last} times at the end."

"""What a column of a table means, in one phrase with its unit: for the head of an exported file."""

from __future__ import annotations

from collections.abc import Iterable

_SHARED = {
    "seed": "seed of one network",
    "seeds": "networks that were measured",
    "layer": "hidden layer, counted from 1",
    "width": "units in every hidden layer",
    "predicted": "mean-field theory at these widths; empty: no prediction",
    "reason": "why there is no prediction, or how far to trust it",
    "optimizer": "how the parameters were updated",
}
_OF_QUESTION = {
    "explore": {
        "largest_eigenvalue": "largest eigenvalue of F, in units of F",
        "mean_eigenvalue": "trace of F over the number of parameters, in units of F",
        "dropped_share": "share of the sum of squared entries outside the blocks, 0 to 1",
        "entry_ratio": "RMS entry outside the blocks over RMS entry inside them",
        "measure": "column of the table `summary` that is predicted",
        "structure": "the full matrix (dense), or the part of it that is kept",
        "rank": "place of the eigenvalue, the largest first",
        "eigenvalue": "non-zero eigenvalue of the first seed's matrix, in units of F",
        "row": "parameters in this row of cells",
        "column": "parameters in this column of cells",
        "full": "pooled entries of the full matrix, in units of F",
        "block_diagonal": "the same of the block-diagonal matrix, in units of F",
    },
    "width": {
        "measured": "average over networks: RMS between units over RMS inside a unit; in the table `mass` a share, 0 to 1",
        "spread": "standard deviation over networks",
        "low": "smallest network; in the table `slopes` the lower end of the 95 % interval",
        "high": "largest network; in the table `slopes` the upper end of the 95 % interval",
        "samples": "inputs N in the average",
        "slope": "least-squares slope of log(ratio) against log(width)",
        "networks": "networks in the fit",
        "layers": "layers that the shares are taken over",
        "part": "entries inside a unit, between units of a layer, or between layers",
        "rms_in_unit": "RMS entry inside a unit's block, in units of F",
        "rms_off_unit": "RMS entry between units of the layer, in units of F",
        "rms_ratio": "rms_off_unit over rms_in_unit",
    },
    "directions": {
        "structure": "the approximation A of F, or the plain gradient (best multiple of the identity)",
        "cosine": "cosine of (A + λ)^-1 g with (F + λ)^-1 g in the metric u^T F v; average over networks",
        "euclidean": "the same cosine in the Euclidean metric; average over networks",
        "error": "relative Frobenius error |F - A| / |F|; average over networks",
        **{
            f"{name}_{end}": f"{words} over networks of `{name}`"
            for name in ("cosine", "euclidean", "error")
            for end, words in (("spread", "standard deviation"), ("low", "smallest"), ("high", "largest"))
        },
        "rank_cosine": "place by `cosine`, 1 is the largest",
        "rank_error": "place by `error`, 1 is the smallest",
        "predicted_error": "mean-field prediction of `error` at these widths; empty: none",
        "numbers": "numbers that the structure keeps",
        "build_seconds": "time to make the structure from factors, in s (median over networks in `structures`)",
        "solve_seconds": "time of one damped solve with its factorisation, in s (median over networks in `structures`)",
        "note": "why a structure or a network is left out; empty: it is not",
        "closer": "structure with the smaller error of a pair that the two measures put in opposite orders",
        "better": "structure with the larger cosine of that pair",
        "error_closer": "its error",
        "error_better": "its error",
        "cosine_closer": "its cosine",
        "cosine_better": "its cosine",
        "seeds_agree": "networks in which both orders hold",
        "damping": "λ in units of the mean diagonal of F",
    },
    "train": {
        "step": "updates made, each over the full batch",
        "seconds": "time of the updates alone, in s",
        "loss": "mean negative log-likelihood; in regression (1/2N) sum |f - y|^2 / variance",
        "accuracy": "share of inputs classified right, 0 to 1; empty in regression",
        "residual": "root mean square of f - y; empty for classes",
        "gradient_norm": "Euclidean norm of the loss's gradient",
        "diverged": "whether loss or gradient is no longer finite at this step",
        "learning_rate": "step size",
        "start_loss": "loss before the first update",
        "final_loss": "loss after the last update",
        "final_loss_mean": "average over the seeds that did not diverge",
        "final_loss_sd": "standard deviation over the seeds that did not diverge",
        "final_accuracy": "accuracy after the last update, 0 to 1",
        "goal": "loss to reach, as a share of the loss at the start",
        "seeds_at_goal": "networks that reached the goal",
        "steps_to_goal": "updates until the goal (median over seeds in `summary`); empty: not reached",
        "seconds_to_goal": "time until the goal in s (median over seeds in `summary`); empty: not reached",
        "seconds_per_step": "time of one update, in s",
        "seeds_diverged": "networks whose loss or gradient became infinite",
        "first_divergence": "earliest step at which a network diverged",
        "cost_of_a_step": "time of one update over that of gradient descent",
        "steps_made": "updates of this run",
        "diverged_at": "step at which loss or gradient became infinite; empty: never",
        "rose": "whether the loss ever rose above its start",
        "stopped": "why the run ended before its last step",
        "automatic": "whether the step size was chosen here",
        "limit": "largest stable step size at the start",
        "lambda_max": "largest eigenvalue of F at the start",
        "two_over_lambda_max": "2 / lambda_max, the limit of gradient descent",
        "damping": "number added to the diagonal of F, in units of F",
    },
}


def column_words(question: str, columns: Iterable[str]) -> dict[str, str]:
    """Column to its meaning; columns without one are left out."""
    words = _SHARED | _OF_QUESTION.get(question, {})
    return {column: words[column] for column in columns if column in words}

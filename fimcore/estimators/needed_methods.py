"""What a likelihood must be able to do before variances of estimators can be told, and a clear word where it is not.

Needed are E[(v.s)^2 (w.s)] and E[(v.s)^4] of the score s besides score, samples and output Fisher matrix.
Source: `fimcore.likelihoods.LikelihoodWithMoments`.
"""

from __future__ import annotations

from typing import cast

from fimcore.likelihoods import Likelihood, LikelihoodWithMoments

NEEDED = ("log_likelihood", "sample", "score", "output_fisher", "output_fisher_root", "third_moment", "fourth_moment")
_SIGNATURES = {
    "third_moment": "third_moment(outputs, vectors, others)",
    "fourth_moment": "fourth_moment(outputs, vectors)",
}


def with_moments(likelihood: Likelihood) -> LikelihoodWithMoments:
    """The likelihood, if it has every method that variances need.

    Raises:
        ValueError: it lacks some, named in the message.
    """
    missing = [name for name in NEEDED if not callable(getattr(likelihood, name, None))]
    if missing:
        named = ", ".join(_SIGNATURES.get(name, name) for name in missing)
        raise ValueError(
            f"`likelihood` is {type(likelihood).__name__}, which lacks {named}; give it "
            f"{'this method' if len(missing) == 1 else 'these methods'}: variances of estimators need all of "
            f"{', '.join(NEEDED)} (see fimcore.likelihoods.LikelihoodWithMoments)."
        )
    return cast(LikelihoodWithMoments, likelihood)

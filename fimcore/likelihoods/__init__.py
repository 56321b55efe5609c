"""Output families: p(y | f), its score, its Fisher matrix in the outputs, roots and moments of it.

F = E_x E_{y ~ p(.|x)} [grad l grad l^T] = E_x J^T Q J, with J the Jacobian of the outputs f and Q = -E d^2 log p / df^2 the
output Fisher matrix; B is any root with B^T B = Q, so that the rows of B J are the vectors whose outer products make F.
Source: Amari, Natural gradient works efficiently in learning (1998); Kunstner, Balles, Hennig, Limitations of the empirical
Fisher approximation, arXiv 1905.12558; moments: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators,
arXiv 2402.05379.

A family of your own is any object with the five methods of `Likelihood`. Waiting times, p(y | f) = exp(f - y exp(f)):

>>> import torch
>>> import fimcore as fc
>>> class WaitingTime:
...     def log_likelihood(self, outputs, labels):
...         return (outputs - labels * outputs.exp()).sum(dim=1)
...
...     def sample(self, outputs, generator):
...         uniform = torch.rand(outputs.shape, generator=generator, dtype=torch.float64)
...         return -torch.log1p(-uniform).to(outputs) / outputs.exp()
...
...     def score(self, outputs, labels):
...         return 1 - labels * outputs.exp()
...
...     def output_fisher(self, outputs):
...         return torch.eye(outputs.shape[1]).to(outputs).expand(len(outputs), -1, -1)
...
...     output_fisher_root = output_fisher
>>> isinstance(WaitingTime(), fc.Likelihood)
True
>>> network, x = fc.sample_network(fc.Architecture((2, 3, 2))), fc.inputs.gaussian(5, 2)
>>> tuple(fc.fisher(network, x, WaitingTime()).dense().shape)
(17, 17)

The second derivative of its log-likelihood is then taken by automatic differentiation (`output_hessian`). Only where variances
of estimators are asked for does it need two methods more, those of `LikelihoodWithMoments`. The score here is 1 - E with E
exponential, whose third and fourth cumulants are -2 and 6:

>>> class WaitingTimeWithMoments(WaitingTime):
...     def third_moment(self, outputs, vectors, others):
...         return -2 * (vectors**2 * others).sum(dim=1)
...
...     def fourth_moment(self, outputs, vectors):
...         return 6 * (vectors**4).sum(dim=1) + 3 * (vectors**2).sum(dim=1) ** 2
>>> isinstance(WaitingTimeWithMoments(), LikelihoodWithMoments)
True
"""

from fimcore.likelihoods.bernoulli import Bernoulli
from fimcore.likelihoods.categorical import Categorical
from fimcore.likelihoods.gaussian import Gaussian
from fimcore.likelihoods.gaussian_with_variance import GaussianWithVariance
from fimcore.likelihoods.likelihood import Likelihood, LikelihoodWithMoments, output_hessian
from fimcore.likelihoods.poisson import Poisson

__all__ = [
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "GaussianWithVariance",
    "Likelihood",
    "LikelihoodWithMoments",
    "Poisson",
    "output_hessian",
]

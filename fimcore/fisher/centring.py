"""Outputs centred over the inputs, f - (1/N) sum_n f(x_n): the dual K becomes H K H, H = I - 1 1^T / N for every output.

On the parameters' side F loses the mean gradients: F - sum_c m_c m_c^T, m_c = (1/N) sum_n grad f_c(x_n).
Source: Karakida, Akaho, Amari, The Normalization Method for Alleviating Pathological Sharpness in Wide Neural Networks, arXiv
1906.02926.
"""

from __future__ import annotations

import torch

from fimcore.fisher.dense import dense
from fimcore.fisher.dual import dual_matrix, require_rows
from fimcore.fisher.lanczos import transpose_product
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.spectrum import Spectrum, listed
from fimcore.fisher.structures import Origin


def centred_spectrum_from_factors(made: AnyFactors) -> Spectrum:
    """All eigenvalues of the Fisher matrix after the mean over the inputs is taken off every row kind, from the smaller side.

    For exact factors of a Gaussian family the rows are the outputs, and this is the network with centred outputs.

    Args:
        made: factors with R rows per input.

    Raises:
        ValueError: "hessian" factors, which have no rows.
    """
    require_rows(made, "centred spectrum")
    samples, rows, parameters = made.samples, made.rows, made.layout.parameters
    if samples * rows < parameters:
        dual = dual_matrix(made, range(1, made.layout.layers + 1)).view(samples, rows, samples, rows)
        dual = dual - dual.mean(dim=0, keepdim=True)
        dual = dual - dual.mean(dim=2, keepdim=True)
        return listed(torch.linalg.eigvalsh(dual.reshape(samples * rows, samples * rows)), parameters)
    same_kind = torch.eye(rows, dtype=made.dtype, device=made.device).repeat(samples, 1)
    means = transpose_product(made, same_kind) / samples
    matrix = dense(made, Origin(made.estimator, "", samples)).matrix - means @ means.T
    return listed(torch.linalg.eigvalsh(matrix), parameters)

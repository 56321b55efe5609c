"""About: what is computed and how, what it is worth, its limits on this machine, and how to cite it."""

from __future__ import annotations

import os

import streamlit as st

from fimcore.budget import size_in_words
from fimcore.experiments.cost import default_limits
from fimcore.experiments.network_spec import CSV_MAX_BYTES, CSV_MAX_COLUMNS
from fimcore.experiments.result import CITATION, LICENCE, versions

MATRIX = r"""
A network with parameters $\theta$ turns an input $x$ into outputs $f(x) \in \mathbb{R}^C$, and the output family turns those
into a distribution $p(y \mid x)$. An entry of its Fisher matrix says how much two parameters move that distribution together,
averaged over inputs:

$$
F \;=\; \mathbb{E}_{x}\,\mathbb{E}_{y \sim p(y \mid x)}\big[\nabla_\theta \ell\;\nabla_\theta \ell^{\top}\big],
$$

where $\ell = \log p(y \mid x)$ is the logarithm of the probability of a label.

**Scale.** It is a mean over inputs, never a sum, and the labels are the *model's* own, never those of the data, unless the
estimator is called empirical. The noise variance is explicit:

- Regression, $p(y \mid x) = \mathcal{N}(f, \sigma^2 I)$: $\;F = \sigma^{-2}\,\mathbb{E}_x \sum_c \nabla f_c\,\nabla f_c^{\top}$.
- Softmax: $\;F = \mathbb{E}_x\,J^{\top} Q J$ with $J = \partial f / \partial\theta$, $Q = \mathrm{diag}(g) - g g^{\top}$ and
  $g = \mathrm{softmax}(f)$.

**Order of parameters.** Layer by layer, unit by unit, each unit's incoming weights and then its bias. All parameters of a unit
are therefore neighbours, and a unit's block is a square on the diagonal. Layers and units are numbered from 1.
"""

NETWORKS = r"""
Widths $n_0, n_1, \dots, n_L$; hidden layers share one activation $\phi$, the read-out is linear:

$$
\begin{aligned}
u^{l} &= W^{l} a^{l-1} + b^{l}, & a^{l} &= \phi(u^{l}), \\
W^{l}_{ij} &\sim \mathcal{N}\big(0,\, \sigma_w^2 / n_{l-1}\big), & b^{l}_{i} &\sim \mathcal{N}\big(0,\, \sigma_b^2\big).
\end{aligned}
$$

Weights, inputs, the teacher and sampled labels come from separate random streams, each fixed by the seed: the same seed gives
the same numbers in any order of computation. Everything is in double precision.
"""

MEASURED = r"""
**Factors.** One forward and one backward pass give, per layer, the inputs $\tilde a^{l-1} = (a^{l-1}, 1)$ and the signals
$\delta^{l}_{c} = \partial f_c / \partial u^{l}$. They are the whole matrix in factored form, because the gradient with respect
to the parameters of unit $i$ in layer $l$ is $\delta^{l}_{c,i}\,\tilde a^{l-1}$. The matrix on the Explore page is formed from
them exactly, strip by strip, and pooled to at most 512 × 512 cells; a clicked entry is computed again by itself.

**Sizes of blocks** never need the matrix, only overlaps of signals and of inputs at two data points $x, x'$:

$$
\begin{aligned}
K^{l}_{c c'} &= \big(\delta^{l}_{c}(x)\cdot\delta^{l}_{c'}(x')\big)\,\big(\tilde a^{l-1}(x)\cdot\tilde a^{l-1}(x')\big), \\
\big\lVert F^{l l'} \big\rVert^2 &= \mathbb{E}_{x,x'} \textstyle\sum_{c,c'} K^{l}_{c c'} K^{l'}_{c c'} .
\end{aligned}
$$

Over seeds, pairs $x = x'$ are left out and the sum is divided by $N(N-1)$. That estimate is unbiased for the whole population
of inputs; keeping those pairs would overstate exactly the entries between units that the question is about.

**Eigenvalues** come from the smaller of the two sides: the $P \times P$ matrix, or the $NC \times NC$ matrix with the same
non-zero eigenvalues.
"""

ESTIMATORS = r"""
| Estimator | What it averages | What to expect |
|---|---|---|
| Exact | all labels, weighted by the model's own probabilities | the matrix itself, for these inputs |
| Monte Carlo | labels drawn from the model, $m$ a input | the same on average, with noise that falls as $1/\sqrt{m}$ |
| Empirical | the labels of the data | a different matrix, not an estimate of $F$ |

The empirical matrix agrees with $F$ only where the model's distribution is that of the data; for a random network it is not.

**The diagonal from one label.** Two estimators have the mean $F_{ii}$: the squared score, $(\partial_i \ell)^2$, and minus the
second derivative, $-\partial_i^2 \ell$. With $J = \partial_i f$, $H = \partial_i^2 f$, $Q$ the covariance and $\kappa_4$ the fourth
cumulant of the statistic that a label adds to the outputs, one label leaves the variances

$$
V_1 = 2 F_{ii}^2 + \kappa_4[J, J, J, J], \qquad V_2 = H^{\top} Q\, H .
$$

Neither has to be sampled: all of a unit's parameters share one factor. Minus the second derivative does not vary where an output
is linear in the parameter, which is the read-out, and with ReLU every layer; it can be negative, the squared score cannot.
"""

PREDICTED = r"""
Mean-field theory follows the variance of signals and of gradients through layers of a wide random network by Gaussian
integrals. No network is built for a prediction, and no part of the code that measures is used by the code that predicts; that
is why agreement between the two means something. The lines on these pages use the curve for the *given* widths and number of
outputs, not only the limit. Let $R_l$ be the root mean square (RMS) of the entries between units of hidden layer $l$ over that
of the entries inside a unit. For few outputs its plateau is

$$
R_l \;\longrightarrow\; \frac{r_l}{\sqrt{C + 2 r_l^2}}\;
\frac{\mathbb{E}\,\phi'(u)\,\phi'(\bar u)}{\sqrt{\mathbb{E}\,\phi'(u)^2\,\phi'(\bar u)^2}},
$$

where $u, \bar u$ are the inputs of one unit at two data points, and $r_l$ compares the gradients of two data points with those
of one. **There is no width in it.** A prediction is drawn only where it is valid; elsewhere the page says so, and why. Most
often that is because the number of layers is no longer small compared with the width: networks then differ from each other more
than they differ from theory.
"""

SAFE = """
**These sentences hold.**

- Entries between units become small compared with entries inside a unit *when the number of outputs grows with the width*: the
  ratio of root mean squares falls as $n^{-1/2}$.
- With $C$ outputs that ratio is of order $C^{-1/2}$ and does not depend on the width.
- Small but many: the share of $\\lVert F \\rVert^2$ outside the unit blocks does not vanish. Over the hidden layers, and with few
  outputs, it *grows* with width.
- A unit's block is a factor from backpropagation times the Fisher matrix of a single unit, exactly so in the last hidden layer.
- Keeping only the blocks of layers lowers the largest eigenvalue by a factor that hardly depends on the width.
"""

UNSAFE = """
**These do not, although they are often said.**

- "The Fisher matrix becomes block-diagonal as networks get wide." False in norm and in spectrum.
- "The mass outside the blocks vanishes." It does not.
- Any claim of a slope of −1/2 from entries divided by the diagonal alone. It can come from the weights *inside* a unit.
- "Orthogonal weights lower the largest eigenvalue." They narrow its spread between networks.
- "The critical line of softplus, or of the sigmoid." There is none at any practical setting.
"""

VERDICTS = """
| Word | Meaning |
|---|---|
| agrees | the prediction lies within the spread of the measurement |
| close | not so, but within 10 % of the prediction; of a slope, also within 0.05 |
| disagrees | neither |
| too few seeds to say | fewer than four networks |
| no prediction | the setting lies outside of what the theory is about; the reason is given |

*The spread* is, for a number (Explore), two standard deviations of the seeds around their mean; for a slope (Width), the 95 %
interval of the fit over all networks. A limit of step sizes (Race) *agrees* if it tells of every run whether its loss rises
above the start, and *disagrees* if it is wrong about one. An error that theory says is zero (Units) *agrees* if what is left
beyond noise may be chance (99 %). Drawn labels (Two estimators, Watch one) *agree* with the exact law if no more than chance
separates them. The sanity report writes its own rule below its tables.
"""

REFERENCES = (
    (
        "Amari, Karakida, Oizumi",
        "Fisher Information and Natural Gradient Learning of Random Deep Networks",
        "1808.07172",
    ),
    ("Amari, Karakida, Oizumi", "Statistical Neurodynamics of Deep Networks: Geometry of Signal Spaces", "1808.07169"),
    (
        "Karakida, Akaho, Amari",
        "Universal Statistics of Fisher Information in Deep Neural Networks: Mean Field Approach",
        "1806.01316",
    ),
    (
        "Karakida, Akaho, Amari",
        "Pathological Spectra of the Fisher Information Metric and Its Variants in Deep Neural Networks",
        "1910.05992",
    ),
    (
        "Karakida, Osawa",
        "Understanding Approximate Fisher Information for Fast Convergence of Natural Gradient Descent in Wide Networks",
        "2010.00879",
    ),
    (
        "Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli",
        "Exponential expressivity in deep neural networks through transient chaos",
        "1606.05340",
    ),
    ("Schoenholz, Gilmer, Ganguli, Sohl-Dickstein", "Deep Information Propagation", "1611.01232"),
    ("Ollivier", "Riemannian metrics for neural networks I: feedforward networks", "1303.0818"),
    ("Soen, Sun", "Trade-Offs of Diagonal Fisher Information Matrix Estimators", "2402.05379"),
    ("Soen, Sun", "On the Variance of the Fisher Information for Deep Learning", "2107.04205"),
    (
        "Kunstner, Balles, Hennig",
        "Limitations of the Empirical Fisher Approximation for Natural Gradient Descent",
        "1905.12558",
    ),
)


def limits() -> str:
    """What is refused on this machine, before anything is allocated."""
    allowed = default_limits()
    return f"""
Every setting has a known cost before anything is allocated; what exceeds the limits is refused with the size asked, the limit,
and the largest width that works. On this machine one computation may hold **{size_in_words(allowed.memory_bytes)}**, its part
of half the memory when all of them compute side by side (1 GB at least, 4 GB at most), and take about
**{allowed.seconds:.0f} s** (the variable `FIMCORE_SECONDS` changes that). There are {os.cpu_count()} processor cores; one of
them stays free for the pages.

An uploaded CSV may have {CSV_MAX_BYTES / 1e6:g} MB and {CSV_MAX_COLUMNS} columns of numbers. It stays on this server, under the
hash of its content, until the server stops. Nothing is sent anywhere else: fonts, formulas and charts come from here too.
"""


def bibtex() -> str:
    return f"""@software{{fimcore,
  title   = {{{CITATION.split(" (")[0]}}},
  author  = {{{{The fimcore authors}}}},
  year    = {{2026}},
  version = {{{versions()["fimcore"]}}},
  license = {{{LICENCE}}}
}}"""


def main() -> None:
    # One column at reading width: the formulas are centred in it.
    with st.container(width=640):
        contents()


def contents() -> None:
    st.title("How is this computed?", anchor=False)
    st.markdown(
        "Everything you see is measured on networks that are drawn from your settings, beside what mean-field theory predicts "
        "for them. Here is what the numbers are, and what they are not."
    )
    for title, text in (
        ("The matrix", MATRIX),
        ("The networks", NETWORKS),
        ("Measured", MEASURED),
        ("Predicted", PREDICTED),
        ("Estimators", ESTIMATORS),
    ):
        st.header(title, anchor=title.lower().replace(" ", "-"))
        st.markdown(text)

    st.header("What may be said", anchor="what-may-be-said")
    with st.container(border=True):
        st.markdown(SAFE)
    with st.container(border=True):
        st.markdown(UNSAFE)
    st.markdown("Words of the comparison with theory have fixed meanings:")
    st.markdown(VERDICTS)

    st.header("Limits", anchor="limits")
    st.markdown(limits())

    st.header("Versions", anchor="versions")
    st.markdown("\n".join(f"- {package} {number}" for package, number in versions().items()))

    st.header("How to cite", anchor="how-to-cite")
    st.markdown("Cite the program, the settings (every export names them), and the paper that a prediction comes from.")
    st.code(bibtex(), language="bibtex", wrap_lines=True)

    st.header("References", anchor="references")
    st.markdown("\n".join(f"- {authors}: *{title}*, arXiv {number}" for authors, title, number in REFERENCES))


main()

"""Optimizers that need nothing but gradients: gradient descent, momentum, Adam, FAdam, Sophia-G.

The first three are torch.optim's own functions, which take their state from outside. FAdam and Sophia are here because their
second moments are estimates of the Fisher diagonal:
    FAdam   f <- b f + (1 - b) g^2 (b corrected), gbar = g / (sqrt f + eps), m <- b1 m + (1 - b1) gbar, theta <- theta - eta m
    Sophia  h <- b2 h + (1 - b2) B ghat^2 with model labels, theta <- theta - eta clip(m / max(h, eps), rho)
Source: Kingma, Ba, arXiv 1412.6980; Hwang, FAdam, arXiv 2405.12807; Liu et al., Sophia, arXiv 2305.14342.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.adam import adam as torch_adam
from torch.optim.sgd import sgd as torch_sgd

from fimcore.fisher.factors import factors
from fimcore.training.point import Evaluation, Settings

State = tuple[Tensor, ...]

MOMENTUM = 0.9
FADAM_BETAS, FADAM_EPSILON, FADAM_EPSILON_2, FADAM_CLIP = (0.9, 0.999), 1e-8, 1e-2, 1.0
SOPHIA_BETAS, SOPHIA_EVERY, SOPHIA_CLIP, SOPHIA_EPSILON = (0.965, 0.99), 10, 0.04, 1e-12


def sgd(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """Plain gradient descent."""
    return _descended(at, settings, state, momentum=0.0)


def momentum(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """Gradient descent with heavy-ball momentum 0.9."""
    return _descended(at, settings, state, momentum=MOMENTUM)


def _descended(at: Evaluation, settings: Settings, state: State, momentum: float) -> tuple[Tensor, State]:
    vector = at.point.network.parameter_vector()
    # cloned, because torch writes into its state and a Step is frozen
    held: list[Tensor | None] = [state[0].clone() if state else None]
    torch_sgd(
        [vector],
        [at.gradient],
        held,
        weight_decay=0.0,
        momentum=momentum,
        lr=settings.step_size,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        foreach=False,
    )
    return vector, () if held[0] is None else (held[0],)


def adam(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """torch.optim.Adam with its defaults; state: updates so far, first and second moment."""
    vector = at.point.network.parameter_vector()
    count, first, second = (part.clone() for part in state or _zeros(vector, 2))
    torch_adam(
        [vector],
        [at.gradient],
        [first],
        [second],
        max_exp_avg_sqs=[],
        state_steps=[count],
        foreach=False,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=settings.step_size,
        weight_decay=0.0,
        eps=1e-8,
        maximize=False,
    )
    return vector, (count, first, second)


def _zeros(vector: Tensor, count: int) -> State:
    return (torch.tensor(0.0), *(torch.zeros_like(vector) for _ in range(count)))


def fadam(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """Fisher Adam without weight decay; state: updates so far, Fisher estimate f, momentum of preconditioned gradients.

    f equals Adam's bias-corrected second moment; the first step is -(1 - b1) eta sign(g).
    """
    vector, g = at.point.network.parameter_vector(), at.gradient
    count, fisher, moment = state or (torch.tensor(0.0), torch.ones_like(vector), torch.zeros_like(vector))
    steps = float(count) + 1.0
    beta_1, beta_2 = FADAM_BETAS
    corrected = beta_2 * (1.0 - beta_2 ** (steps - 1.0)) / (1.0 - beta_2**steps)
    fisher = corrected * fisher + (1.0 - corrected) * g.square()
    epsilon = min(FADAM_EPSILON, FADAM_EPSILON_2 * float(g.square().mean().sqrt()))
    natural = g / (fisher.sqrt() + epsilon) if epsilon > 0 else torch.zeros_like(g)
    natural = natural / max(1.0, float(natural.square().mean().sqrt()) / FADAM_CLIP)
    moment = beta_1 * moment + (1.0 - beta_1) * natural
    return vector - settings.step_size * moment, (count + 1.0, fisher, moment)


def sophia(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """Sophia-G: momentum over an average of B ghat^2, ghat the batch's gradient at labels drawn from the model every tenth step."""
    point = at.point
    vector = point.network.parameter_vector()
    count, moment, curvature = state or _zeros(vector, 2)
    beta_1, beta_2 = SOPHIA_BETAS
    moment = beta_1 * moment + (1.0 - beta_1) * at.gradient
    if int(count) % SOPHIA_EVERY == 0:
        made = factors(point.network, point.x, point.likelihood, "score", seed=point.label_seed)
        ones = torch.ones(made.samples, dtype=made.dtype, device=made.device)
        drawn = made.transpose_product(ones) / made.samples
        curvature = beta_2 * curvature + (1.0 - beta_2) * made.samples * drawn.square()
    step = (moment / curvature.clamp(min=SOPHIA_EPSILON)).clamp(-SOPHIA_CLIP, SOPHIA_CLIP)
    return vector - settings.step_size * step, (count + 1.0, moment, curvature)

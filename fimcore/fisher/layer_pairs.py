"""The block of the Fisher matrix between two layers, with the output rows folded before the large product.

F_{(l,i,a),(m,j,b)} = (1/N) sum_x M_ij(x) a^{l-1}_a(x) a^{m-1}_b(x), M_ij = sum_c delta^l_{c,i} delta^m_{c,j}: contracting over
the C rows first makes the cost N P^2 instead of N C P^2. Inside one layer M and the outer product of the inputs are both
symmetric, so that a quarter of the entries determines the block. The product is cut into tiles that stay in the processor's
cache while they are written to the two or four places where they belong; no second array of the matrix's size is made.
Source of the factored form: Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

from torch import Tensor

from fimcore.fisher.factors import ALL, Factors
from fimcore.fisher.products import product

# Bytes of one tile: about the second-level cache of a core. On a GPU a tile is only there to bound memory.
TILE_BYTES = {"cpu": 2**21, "cuda": 2**26}
# Cuts of a layer's inputs and of its units where both sides of the block are one layer: more of them multiply fewer products
# twice; and products of inputs in one cut at most.
INPUT_CUTS = 4
UNIT_STEPS = 4
CUT_PRODUCTS = 2048
# Bytes of what is multiplied to make a tile; more inputs are taken in chunks, of this many at least.
WORK_BYTES = 2**23
FEWEST_INPUTS = 128
# Outer products of the inputs are kept over the tiles where they take no more than this.
KEPT_BYTES = 2**21


def write_layer_pair(
    target: Tensor,
    mirror: Tensor | None,
    made: Factors,
    layer: int,
    other: int,
    scale: float,
    *,
    add: bool = False,
    units: slice = ALL,
    other_units: slice = ALL,
) -> None:
    """Write (or add) `scale` times the sum over inputs of one layer pair's block into `target`, its transpose into `mirror`.

    Args:
        target: (n k, n' k') view, any strides.
        mirror: (n' k', n k) view, or None.
        made: factors of some inputs.
        layer, other: 1..L, layer <= other.
        scale: 1 / N.
        add: add to what is there instead of writing over it.
        units, other_units: only some units of the two layers.
    """
    a, b = made.inputs[layer - 1], made.inputs[other - 1]
    count = len(range(made.layout.units[layer - 1])[units])
    columns = len(range(made.layout.units[other - 1])[other_units])
    grid = _grid(target, count, a.shape[1], columns, b.shape[1])
    image = None if mirror is None else _grid(mirror, columns, b.shape[1], count, a.shape[1])
    symmetric = layer == other and units == other_units
    if layer != other and made.curvature is not None:
        _write_moving_inputs(grid, image, made, layer, other, scale, add, units, other_units)
        add = True
    cut = max(1, min(-(-a.shape[1] // INPUT_CUTS) if symmetric else a.shape[1], CUT_PRODUCTS // b.shape[1]))
    tile = TILE_BYTES.get(made.device.type, TILE_BYTES["cuda"])
    step = max(
        1, min(-(-count // UNIT_STEPS) if symmetric else count, tile // (columns * cut * b.shape[1] * a.element_size()))
    )
    each = (step * columns + cut * b.shape[1]) * a.element_size()
    chunks = _chunks(a.shape[0], max(FEWEST_INPUTS, WORK_BYTES // each))
    keep = len(chunks) == 1 and a.shape[0] * a.shape[1] * b.shape[1] * a.element_size() <= KEPT_BYTES
    outers: dict[int, Tensor] = {}
    for first in range(0, count, step):
        rows = slice(first, min(first + step, count))
        later = slice(first if symmetric else 0, columns)
        pair = _within(units, rows), _within(other_units, later)
        folded = made.folded(layer, other, *pair) if len(chunks) == 1 else None
        for start in range(0, a.shape[1], cut):
            mine = slice(start, min(start + cut, a.shape[1]))
            rest = slice(start if symmetric else 0, b.shape[1])
            part: Tensor | None = None
            for inputs in chunks:
                left = made.folded(layer, other, *pair, inputs) if folded is None else folded
                outer = outers.get(start)
                if outer is None:
                    outer = ((a[inputs, mine, None] * scale) * b[inputs, None, rest]).reshape(left.shape[0], -1)
                if keep:
                    outers[start] = outer
                found = product(left.reshape(left.shape[0], -1), outer)
                part = found if part is None else part.add_(found)
            assert part is not None
            part = part.reshape(rows.stop - rows.start, later.stop - later.start, mine.stop - start, -1)
            put(grid[rows, mine, later, rest], part.permute(0, 2, 1, 3), add)
            if symmetric:
                _put_images(grid, part, rows, mine, later, rest, add)
            if image is not None:
                put(image[later, rest, rows, mine], part.permute(1, 3, 0, 2), add)


def _put_images(grid: Tensor, part: Tensor, rows: slice, mine: slice, later: slice, rest: slice, add: bool) -> None:
    """The three other places of a tile inside one layer: units exchanged, inputs exchanged, both.

    Where a tile meets its own image (first units with themselves, first inputs with themselves) it must be written once.
    """
    units, inputs = part.shape[0], part.shape[2]
    beyond_units = slice(rows.stop, later.stop)
    beyond_inputs = slice(mine.stop, rest.stop)
    put(grid[beyond_units, mine, rows, rest], part[:, units:].permute(1, 2, 0, 3), add)
    put(grid[rows, beyond_inputs, later, mine], part[:, :, :, inputs:].permute(0, 3, 1, 2), add)
    put(grid[beyond_units, beyond_inputs, rows, mine], part[:, units:, :, inputs:].permute(1, 3, 0, 2), add)


def put(target: Tensor, values: Tensor, add: bool) -> None:
    """Write values over a view, or add them to what is there."""
    if add:
        target += values
    else:
        target.copy_(values)


def _grid(block: Tensor, units: int, size: int, columns: int, other_size: int) -> Tensor:
    """A (n k, n' k') block as (n, k, n', k'), without a copy."""
    down, across = block.stride()
    strides = (down * size, down, across * other_size, across)
    return block.as_strided((units, size, columns, other_size), strides, block.storage_offset())


def _within(units: slice, part: slice) -> slice:
    """A part of some units, as a slice of all units."""
    start = units.start or 0
    return slice(start + part.start, start + part.stop)


def _chunks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _write_moving_inputs(
    grid: Tensor,
    image: Tensor | None,
    made: Factors,
    layer: int,
    other: int,
    scale: float,
    add: bool,
    units: slice,
    other_units: slice,
) -> None:
    """What only a second derivative has: the later layer's inputs move with the earlier layer's pre-activations.

    -(1/N) sum_x d^m_j (da^{m-1}_b / du^l_i) a^{l-1}_a, zero for the later layer's biases.
    """
    assert made.curvature is not None
    path = made.curvature.input_path(layer, other, units)
    scores = made.curvature.scores[other - 1][:, other_units]
    a = made.inputs[layer - 1] * -scale
    inputs = path.shape[1]
    if not add:
        grid[..., inputs] = 0
        if image is not None:
            image[:, inputs] = 0
    for unit in range(path.shape[2]):
        moving = (scores[:, :, None] * path[:, None, :, unit]).reshape(a.shape[0], -1)
        part = product(a, moving).reshape(a.shape[1], scores.shape[1], inputs)
        put(grid[unit, :, :, :inputs], part, add)
        if image is not None:
            put(image[:, :inputs, unit, :], part.permute(1, 2, 0), add)

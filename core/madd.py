"""One machine instruction that Numba lacks: a register tile of integer multiply-adds.

AVX2's `vpmaddwd` multiplies sixteen pairs of 16-bit integers and adds neighbours into eight 32-bit
sums: twice the multiplications of a float32 FMA, exact, and on nearly every x86-64 CPU.
AVX-512's `vpdpwssd` does so for thirty-two pairs and adds to the sums of before at once. Numba has
no spelling for either, so the inner loop is written in LLVM's own language; everything around it is
Numba. Both give the same sums.
"""

from typing import Any

from llvmlite import ir
from numba import types  # before its parts: another thread may be importing it
from numba.core.registry import cpu_target
from numba.extending import intrinsic

# What Numba compiles for: the host, unless its settings (NUMBA_ENABLE_AVX and others) say less.
_TARGET, _, _FEATURES = cpu_target.target_context.codegen().magic_tuple()


def _has(feature: str) -> bool:
    return _TARGET.startswith("x86_64") and f"+{feature}" in _FEATURES.split(",")


_untyped: Any = intrinsic  # Numba fills in the first argument, which no type checker knows
HAS_AVX2 = _has("avx2")  # without it `multiply_tile` cannot be run
_WIDE = _has("avx512vnni")
_LANES = 16 if _WIDE else 8  # 32-bit sums in a register
ROWS = 6  # of the left matrix in a tile: with 6 x 2 accumulators, AVX2's 16 registers are enough
COLUMNS = 2 * _LANES  # of the right matrix in a tile: two registers of sums


@_untyped
def multiply_tile(
    typing_context: Any,
    left: Any,
    stride: Any,
    panel: Any,
    pairs: Any,
    row_scales: Any,
    column_scales: Any,
    biases: Any,
    out: Any,
    out_stride: Any,
) -> Any:
    """Multiply ROWS rows by a panel of COLUMNS columns: out = sum · scale · scale + bias.

    Called from Numba without the first argument; all but `pairs` and the strides (in items) are
    addresses, none of which is checked:

    - `left`: ROWS rows of int16, `stride` apart; `panel`: int16 laid out (pairs, COLUMNS, 2).
      `pairs`, half the length of each sum, is at least 1; the sums must fit 32 bits.
    - `row_scales` (ROWS,), `column_scales` and `biases` (COLUMNS,): float32.
    - `out`: ROWS rows of COLUMNS float32, `out_stride` apart; all ROWS are written.
    """
    address, count = types.uintp, types.intp
    signature = types.void(
        address, count, address, count, address, address, address, address, count
    )
    return signature, _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    left, stride, panel, pairs, row_scales, column_scales, biases, out, out_stride = arguments
    int16, int32, int64, float32 = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
    words, sums = ir.VectorType(int16, 2 * _LANES), ir.VectorType(int32, _LANES)
    floats = ir.VectorType(float32, _LANES)
    zeros = ir.Constant(sums, [0] * _LANES)
    name = "llvm.x86.avx512.vpdpwssd.512" if _WIDE else "llvm.x86.avx2.pmadd.wd"
    kind = ir.FunctionType(sums, [sums, words, words] if _WIDE else [words, words])
    madd = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)

    def add_products(total: Any, left: Any, right: Any) -> Any:
        if _WIDE:
            return builder.call(madd, [total, left, right])
        return builder.add(total, builder.call(madd, [left, right]))

    def number(value: int) -> Any:
        return ir.Constant(int64, value)

    def pointer(base: Any, offset: Any, kind: Any) -> Any:
        return builder.inttoptr(builder.add(base, offset), kind.as_pointer())

    def load(base: Any, offset: Any, kind: Any) -> Any:
        return builder.load(pointer(base, offset, kind), align=2)

    def spread(base: Any, offset: Any, item: Any, kind: Any) -> Any:
        undefined = ir.Constant(kind, ir.Undefined)
        lane = builder.insert_element(undefined, load(base, offset, item), ir.Constant(int32, 0))
        return builder.shuffle_vector(lane, undefined, zeros)

    row_bytes = builder.mul(stride, number(2))
    rows = [builder.add(left, builder.mul(row_bytes, number(r))) for r in range(ROWS)]
    tile = [(r, half) for r in range(ROWS) for half in range(2)]
    before = builder.block
    loop = builder.append_basic_block("pairs")
    after = builder.append_basic_block("pairs.end")
    builder.branch(loop)

    builder.position_at_end(loop)
    step = builder.phi(int64)
    totals = {place: builder.phi(sums) for place in tile}
    at = builder.mul(step, number(COLUMNS * 4))
    halves = [load(panel, builder.add(at, number(4 * _LANES * half)), words) for half in range(2)]
    fresh = {}
    for r in range(ROWS):
        pair = builder.bitcast(spread(rows[r], builder.mul(step, number(4)), int32, sums), words)
        for half in range(2):
            fresh[r, half] = add_products(totals[r, half], pair, halves[half])
    following = builder.add(step, number(1))
    step.add_incoming(number(0), before)
    step.add_incoming(following, loop)
    for place in tile:
        totals[place].add_incoming(zeros, before)
        totals[place].add_incoming(fresh[place], loop)
    builder.cbranch(builder.icmp_signed("<", following, pairs), loop, after)

    builder.position_at_end(after)
    out_bytes = builder.mul(out_stride, number(4))
    for half in range(2):
        scale = load(column_scales, number(4 * _LANES * half), floats)
        bias = load(biases, number(4 * _LANES * half), floats)
        for r in range(ROWS):
            both = builder.fmul(spread(row_scales, number(4 * r), float32, floats), scale)
            value = builder.fmul(builder.sitofp(fresh[r, half], floats), both)
            offset = builder.add(builder.mul(out_bytes, number(r)), number(4 * _LANES * half))
            builder.store(builder.fadd(value, bias), pointer(out, offset, floats), align=4)
    return context.get_dummy_value()


@_untyped
def larger(typing_context: Any, left: Any, right: Any) -> Any:
    """The larger of two float32 that are not NaN: as `max`, but a loop of it is vectorised."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        float32 = ir.FloatType()
        name = "llvm.maxnum.f32"
        function = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(float32, [float32, float32]), name
        )
        return builder.call(function, arguments, fastmath=("fast",))

    return types.float32(types.float32, types.float32), generate

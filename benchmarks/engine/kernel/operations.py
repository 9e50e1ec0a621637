"""Operations on single numbers, a line each: what they are in C, and which of torch's they are.

An expression sees its arguments as ``{0}``, ``{1}``, …, all names or literals of the kind computed in, and ``{f}``, the
suffix of that kind's functions of C's library. Rounding is that of torch wherever torch's own is one IEEE operation;
what is a function of the library is right to a few units in the last place. Of two equal zeros, maximum and minimum
give the second, as torch does on its vectors, if not in their remainders. Left to compilers are the signs of two zeros:
gcc 12 leaves -0.4 its minus where it becomes a whole number and a real one again; and clang 14 takes 0 for -0 where it
chooses between -0 and a number in memory that it compared with it, which is why `CHOSEN` gives that number a name.
"""

from __future__ import annotations

from typing import Final

from benchmarks.engine.kernel.compiler import VECTOR_FUNCTIONS

__all__ = ["FUNCTIONS", "OPERATIONS", "TORCH"]

OPERATIONS: Final = {
    "copy": "{0}",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "abs": "fabs{f}({0})",
    "reciprocal": "1 / {0}",
    "sqrt": "sqrt{f}({0})",
    "rsqrt": "1 / sqrt{f}({0})",
    "square": "{0} * {0}",
    "cube": "{0} * {0} * {0}",
    "exp": "exp{f}({0})",
    "expm1": "expm1{f}({0})",
    "log": "log{f}({0})",
    "log1p": "log1p{f}({0})",
    "sin": "sin{f}({0})",
    "cos": "cos{f}({0})",
    "tan": "tan{f}({0})",
    "sinh": "sinh{f}({0})",
    "cosh": "cosh{f}({0})",
    "tanh": "tanh{f}({0})",
    "atan": "atan{f}({0})",
    "asin": "asin{f}({0})",
    "acos": "acos{f}({0})",
    "asinh": "asinh{f}({0})",
    "acosh": "acosh{f}({0})",
    "atanh": "atanh{f}({0})",
    "exp2": "exp2{f}({0})",
    "log2": "log2{f}({0})",
    "log10": "log10{f}({0})",
    "erf": "erf{f}({0})",
    "erfc": "erfc{f}({0})",
    "hypot": "hypot{f}({0}, {1})",
    "fmod": "fmod{f}({0}, {1})",
    "atan2": "atan2{f}({0}, {1})",
    "pow": "pow{f}({0}, {1})",
    "floor": "floor{f}({0})",
    "ceil": "ceil{f}({0})",
    "trunc": "trunc{f}({0})",
    "round": "rint{f}({0})",
    "sigmoid": "1 / (1 + exp{f}(-{0}))",
    "sign": "({0} > 0) - ({0} < 0)",
    "relu": "{0} < 0 ? 0 : {0}",
    "maximum": "CHOSEN({0}, >, {1})",
    "minimum": "CHOSEN({0}, <, {1})",
    "where": "{0} ? {1} : {2}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} ^ {1}",
    "not": "!{0}",
}
"""What is computed, in C."""

TORCH: Final = {
    "neg": "neg", "abs": "abs", "reciprocal": "reciprocal", "sqrt": "sqrt", "rsqrt": "rsqrt", "exp": "exp",
    "expm1": "expm1", "log": "log", "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "asin": "asin", "acos": "acos", "atan": "atan", "asinh": "asinh",
    "acosh": "acosh", "atanh": "atanh", "exp2": "exp2", "log2": "log2", "log10": "log10", "erf": "erf", "erfc": "erfc",
    "hypot": "hypot", "fmod": "fmod", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "round",
    "sigmoid": "sigmoid", "sign": "sign", "sgn": "sign", "relu": "relu", "mul": "mul", "div": "div",
    "maximum": "maximum", "minimum": "minimum", "atan2": "atan2",
}  # fmt: skip
"""Torch's operations that are one of ours, with the result's kind for all arguments."""

FUNCTIONS: Final = {name: count for name, count in VECTOR_FUNCTIONS.items() if name in OPERATIONS}
"""Functions of C's library that a library of vector functions may have too, and how many arguments they take."""

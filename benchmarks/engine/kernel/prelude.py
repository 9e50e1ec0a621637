"""What stands before every kernel in C: loops over lanes, vectors, and products that are rounded once with a sum."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from benchmarks.engine.kernel.operations import FUNCTIONS

__all__ = ["PRELUDE", "vector_functions"]

PRELUDE: Final = """
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define LANES _Pragma("omp simd") for (int l = 0; l < W; ++l)
#define VECTORS(kind) for (int v = 0; v < W; v += VECTOR / (int)sizeof(kind))
#define LOOP __attribute__((noinline))
#define CHOSEN(x, compared, y) ({ const __typeof__(x) a_ = (x); const __typeof__(y) b_ = (y); \
    (a_ compared b_) | (a_ != a_) ? a_ : b_; })
typedef float VF __attribute__((vector_size(VECTOR), may_alias));
typedef double VD __attribute__((vector_size(VECTOR), may_alias));
#define LOADF(p) (*(const VF *)(p))
#define LOADD(p) (*(const VD *)(p))
#define STOREF(p, a) (*(VF *)(p) = (a))
#define STORED(p, a) (*(VD *)(p) = (a))
#if VECTOR == 64
#define TIMES(x) x, x, x, x, x, x, x, x
#elif VECTOR == 32
#define TIMES(x) x, x, x, x
#else
#define TIMES(x) x, x
#endif
#define ALLF(x) ((VF){TIMES(x), TIMES(x)})
#define ALLD(x) ((VD){TIMES(x)})
#if !(defined(__FMA__) || defined(__aarch64__) || defined(FP_FAST_FMA))
#define FMAF(a, b, c) ((a) * (b) + (c))
#define FMAD(a, b, c) ((a) * (b) + (c))
#define FMA1F(a, b, c) ((a) * (b) + (c))
#define FMA1D(a, b, c) ((a) * (b) + (c))
#elif defined(__clang__)
#if __has_builtin(__builtin_elementwise_fma)
#define FMAF(a, b, c) __builtin_elementwise_fma(a, b, c)
#define FMAD(a, b, c) __builtin_elementwise_fma(a, b, c)
#endif
#elif defined(__AVX512F__) && VECTOR == 64
#define FMAF(a, b, c) __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4)
#define FMAD(a, b, c) __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, 4)
#elif defined(__FMA__) && VECTOR == 32
#define FMAF(a, b, c) __builtin_ia32_vfmaddps256(a, b, c)
#define FMAD(a, b, c) __builtin_ia32_vfmaddpd256(a, b, c)
#endif
#ifndef FMAF
static inline VF FMAF(VF a, VF b, VF c) {
    VF r;
    for (int i = 0; i < VECTOR / 4; ++i) r[i] = fmaf(a[i], b[i], c[i]);
    return r;
}
static inline VD FMAD(VD a, VD b, VD c) {
    VD r;
    for (int i = 0; i < VECTOR / 8; ++i) r[i] = fma(a[i], b[i], c[i]);
    return r;
}
#endif
#ifndef FMA1F
#define FMA1F fmaf
#define FMA1D fma
#endif
"""
"""A product and a sum of products of matrices (``FMA``) are rounded once, and twice on processors that have no
instruction for it, where the C library's function takes a hundred."""


def vector_functions(names: Set[str]) -> str:
    """Declarations of those functions of C's library that a compiler may call for many lanes at once."""
    lines = []
    for name in sorted(names & FUNCTIONS.keys()):
        for kind, end in (("double", ""), ("float", "f")):
            arguments = ", ".join([kind] * FUNCTIONS[name])
            lines.append(f'__attribute__((simd("notinbranch"), const)) {kind} {name}{end}({arguments});')
    return "\n".join(lines)

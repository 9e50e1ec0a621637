"""A small compiler: one step of one lane, traced as it is written, becomes C over many lanes at once.

Stages, each readable and tested alone: `tracing` (torch's own graph of a step and of an evaluation), `lowering` (that
graph as `program`: statements over views of buffers, an operation a line in `operations` or a function in
`torch_views`, `torch_elementwise`, `torch_axes` or `torch_picks`), `planning` (which statements share a loop, where
buffers live), `c_code`, `loops` and `products` (their text), `source` (that of a whole kernel), `compiler` and `cache`
(a library on disk), `making` (all of these, one after the other), `kernel` (the library called on lanes).
"""

"""A small compiler: one step of one lane, traced as it is written, becomes C over many lanes at once.

Stages, each readable and tested alone: `tracing` (torch's own graph of a step and of an evaluation), `lowering` (that
graph as `program`: statements over views of buffers, an operation a line in `operations`), `planning` (which
statements share a loop, where buffers live), `c_code` (the text), `compiler` and `cache` (a library on disk), `kernel`
(the library called on lanes), `choice` (whether it is used at all).
"""

"""How fast the lanes are, as ratios measured in one run: against a plain loop, eager torch, and JAX.

The yardstick is what people write (`plain`): ``torch.optim.RMSprop`` on one run, ``zero_grad``, ``backward``, ``step``.
Every side makes the same updates of the same problems in the same precision, on one core (`machine`) and by turns;
medians of CPU seconds are compared (`measure`), also with the least that the work takes on this machine (`work`).
"""

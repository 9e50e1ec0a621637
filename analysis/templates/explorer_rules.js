  // Functions and rules of the explorer, those of the suite in double precision; a browser test compares the two.

  const FUNCTIONS = {
    // steep (2 u1² / condition + 2 u2²), u = x turned by the angle; the gradient is turned back.
    "ellipse": ({ angle, steep }) => {
      const c = Math.cos(angle * Math.PI / 180), s = Math.sin(angle * Math.PI / 180);
      const flat = steep * 2 / facts.condition, sharp = steep * 2;
      const turn = (x) => [c * x[0] + s * x[1], c * x[1] - s * x[0]];
      return {
        loss: (x) => { const u = turn(x); return flat * u[0] * u[0] + sharp * u[1] * u[1]; },
        gradient: (x) => {
          const u = turn(x), d = [2 * flat * u[0], 2 * sharp * u[1]];
          return [c * d[0] - s * d[1], s * d[0] + c * d[1]];
        },
      };
    },
    "rosenbrock": () => ({
      loss: ([a, b]) => { const r = b - a * a, q = 1 - a; return 100 * (r * r) + q * q; },
      gradient: ([a, b]) => { const r = 200 * (b - a * a); return [-2 * (1 - a) - 2 * a * r, r]; },
    }),
    "beale": () => {
      const rest = ([a, b]) => [1.5 - a * (1 - b), 2.25 - a * (1 - b * b), 2.625 - a * (1 - b * (b * b))];
      return {
        loss: (x) => { const [p, q, r] = rest(x); return p * p + q * q + r * r; },
        gradient: ([a, b]) => {
          const [p, q, r] = rest([a, b]);
          return [-2 * (p * (1 - b) + q * (1 - b * b) + r * (1 - b * b * b)), 2 * a * (p + 2 * b * q + 3 * b * b * r)];
        },
      };
    },
    "himmelblau": () => {
      const rest = ([a, b]) => [a * a + b - 11, a + b * b - 7];
      return {
        loss: (x) => { const [p, q] = rest(x); return p * p + q * q; },
        gradient: ([a, b]) => { const [p, q] = rest([a, b]); return [4 * a * p + 2 * q, 2 * p + 4 * b * q]; },
      };
    },
    "styblinski-tang": () => {
      const one = (v) => { const q = v * v; return q * q - 16 * q + 5 * v; };
      return {
        loss: ([a, b]) => 0.5 * (one(a) + one(b)),
        gradient: (x) => x.map((v) => 0.5 * (4 * (v * v) * v - 32 * v + 5)),
      };
    },
    "saddle": () => ({
      loss: ([a, b]) => { const q = b * b; return a * a / 2 - q / 2 + q * q / 4; },
      gradient: ([a, b]) => [a, b * b * b - b],
    }),
  };

  // Each rule turns a gradient into the step to add, one coordinate at a time. `memory` and `momentum` name what the two
  // controls are to it; `eps` is that of its registered optimizer, inside the root or, as torch has it, beside it.
  const rms = (g, s, hp) => -hp.lr * g / Math.sqrt(s + hp.eps);
  const average = (old, v, decay) => old * decay + v * (1 - decay);
  const RULES = {
    "gd": { step: (g, z, hp) => -hp.lr * g },
    "momentum": { momentum: "momentum β", step: (g, z, hp) => { z.v = hp.momentum * z.v + g; return -hp.lr * z.v; } },
    "adagrad": { step: (g, z, hp) => { z.s += g * g; return rms(g, z.s, hp); } },
    "rmsprop": { memory: "memory γ", step: (g, z, hp) => { z.s = average(z.s, g * g, hp.memory); return rms(g, z.s, hp); } },
    "rmsprop-corrected": {
      memory: "memory γ", most: 0.9999,
      step: (g, z, hp) => {
        z.s = average(z.s, g * g, hp.memory);
        z.kept *= hp.memory;
        return rms(g, z.s / (1 - z.kept), hp);
      },
    },
    "rmsprop-centered": {
      memory: "memory γ",
      step: (g, z, hp) => {
        z.s = average(z.s, g * g, hp.memory);
        z.m = average(z.m, g, hp.memory);
        return -hp.lr * g / (Math.sqrt(Math.max(z.s - z.m * z.m, 0)) + hp.eps);
      },
    },
    "rmsprop-momentum": {
      memory: "memory γ", momentum: "momentum β",
      step: (g, z, hp) => {
        z.s = average(z.s, g * g, hp.memory);
        z.v = z.v * hp.momentum + g / (Math.sqrt(z.s) + hp.eps);
        return -hp.lr * z.v;
      },
    },
    "adam": {
      memory: "memory β₂", momentum: "momentum β₁", most: 0.9999,
      step: (g, z, hp) => {
        z.m = average(z.m, g, hp.momentum);
        z.s = average(z.s, g * g, hp.memory);
        z.kept *= hp.memory;
        z.left *= hp.momentum;
        return z.m * (-hp.lr / (1 - z.left)) / (Math.sqrt(z.s / (1 - z.kept)) + hp.eps);
      },
    },
  };

  // Points and losses after 0, 1, … steps; they end where the run leaves for infinity.
  function train(hp) {
    const { loss, gradient } = FUNCTIONS[hp.function](hp), rule = RULES[hp.optimizer];
    const state = [0, 1].map(() => ({ s: 0, v: 0, m: 0, kept: 1, left: 1 }));
    let x = hp.start;
    const points = [x], losses = [loss(x)];
    for (let t = 1; t <= hp.steps; t++) {
      const g = gradient(x);
      x = x.map((value, i) => value + rule.step(g[i], state[i], hp));
      const f = loss(x);
      if (!(Math.abs(f) < 1e100)) break;
      points.push(x);
      losses.push(f);
    }
    return { points, losses, finished: losses.length === hp.steps + 1 };
  }

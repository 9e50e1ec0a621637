// The explorer: trains the chosen rule on the chapter's ellipse, in the page, whenever a control moves.
// Rules and problem are those of the suite, in double precision; a browser test compares the two.
(() => {
  "use strict";
  const root = document.getElementById("explorer");
  const facts = JSON.parse(root.dataset.facts);  // start, condition, eps, frame, names: from the record
  const find = (name) => root.querySelector(`[data-part="${name}"]`);

  // Each rule turns a gradient into the step to add; one coordinate at a time. "memory" is gamma, or the momentum.
  const rms = (g, s, hp) => -hp.lr * g / Math.sqrt(s + facts.eps);
  const RULES = {
    "gd": { step: (g, z, hp) => -hp.lr * g },
    "momentum": { memory: "momentum", step: (g, z, hp) => { z.v = hp.memory * z.v + g; return -hp.lr * z.v; } },
    "adagrad": { step: (g, z, hp) => { z.s += g * g; return rms(g, z.s, hp); } },
    "rmsprop": {
      memory: "γ", step: (g, z, hp) => { z.s = hp.memory * z.s + (1 - hp.memory) * g * g; return rms(g, z.s, hp); },
    },
    "rmsprop-corrected": {
      memory: "γ", most: 0.9999,
      step: (g, z, hp) => {
        z.s = hp.memory * z.s + (1 - hp.memory) * g * g;
        z.kept *= hp.memory;
        return rms(g, z.s / (1 - z.kept), hp);
      },
    },
  };

  // steep (2 u1² / condition + 2 u2²), u = x turned by the angle; the gradient is turned back.
  function problem(angle, steep) {
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
  }

  // Points and losses after 0, 1, … steps; they end where the run leaves for infinity.
  function train(hp) {
    const { loss, gradient } = problem(hp.angle, hp.steep), rule = RULES[hp.optimizer];
    const state = [0, 1].map(() => ({ s: 0, v: 0, kept: 1 }));
    let x = facts.start;
    const points = [x], losses = [loss(x)];
    for (let t = 1; t <= hp.steps; t++) {
      const g = gradient(x);
      x = x.map((value, i) => value + rule.step(g[i], state[i], hp));
      const f = loss(x);
      if (!(f < 1e100)) break;
      points.push(x);
      losses.push(f);
    }
    return { points, losses, finished: losses.length === hp.steps + 1 };
  }

  // A slider's place is what is even to the hand: log10 of a rate, -log10(1 - memory), with 1 at the very end.
  const short = (value) => Number(value.toPrecision(2));
  const SCALES = {
    log: { value: (place) => short(10 ** place), place: (value) => Math.log10(Math.max(value, 1e-9)) },
    count: { value: (place) => Math.round(short(10 ** place)), place: (value) => Math.log10(Math.max(value, 1)) },
    memory: {
      value: (place, most) => place >= most ? 1 : Number((1 - short(10 ** -place)).toFixed(6)),
      place: (value, most) => value >= 1 ? most : Math.min(most - 0.05, -Math.log10(1 - value)),
    },
    linear: { value: (place) => place, place: (value) => value },
  };

  const controls = Object.fromEntries([...root.querySelectorAll("[data-control]")].map((row) => {
    const slider = row.querySelector("[type=range]"), box = row.querySelector("[type=number]");
    const scale = SCALES[row.dataset.scale], most = Number(slider.max);
    const held = (value) => Math.min(Math.max(value, Number(box.min)), Number(box.max));
    const control = {
      row, get value() { return Number(box.value); },
      set value(value) { box.value = value; slider.value = scale.place(value, most); control.say(); },
      say() { slider.setAttribute("aria-valuetext", box.value); },
    };
    slider.addEventListener("input", () => { box.value = scale.value(Number(slider.value), most); control.say(); show(); });
    box.addEventListener("change", () => {
      const value = Number(box.value);
      control.value = box.value !== "" && Number.isFinite(value) ? held(row.dataset.scale === "count" ? Math.round(value) : value) : Number(box.defaultValue);
      show();
    });
    return [row.dataset.control, control];
  }));
  const choice = root.querySelector("select");

  function setting() {
    const hp = { optimizer: choice.value };
    for (const [name, control] of Object.entries(controls)) hp[name] = control.value;
    hp.memory = Math.min(hp.memory, RULES[hp.optimizer].most ?? 1);
    return hp;
  }

  const [[left, right], [low, high]] = facts.frame;
  const across = (x) => 600 * (Math.min(Math.max(x, left - 50), right + 50) - left) / (right - left);
  const down = (y) => 400 * (high - Math.min(Math.max(y, low - 50), high + 50)) / (high - low);
  const line = (pairs) => "M" + pairs.map((pair) => pair.map((v) => v.toFixed(1)).join(" ")).join("L");

  function drawPath(run) {
    const pixels = run.points.map(([x, y]) => [across(x), down(y)]);
    find("path").setAttribute("d", line(pixels));
    const dots = pixels.length <= 101 ? pixels : [pixels[0], pixels[pixels.length - 1]];
    find("dots").setAttribute("d", dots.map((pair) => line([pair, pair])).join(""));
    const [x, y] = pixels[pixels.length - 1];
    find("end").setAttribute("cx", x);
    find("end").setAttribute("cy", y);
  }

  function drawLosses(run, steps) {
    const height = (f) => 20 + 340 * (2 - Math.min(Math.max(Math.log10(Math.max(f, 1e-300)), -16), 2.9)) / 18;
    find("loss-line").setAttribute("d", line(run.losses.map((f, t) => [64 + 328 * t / steps, height(f)])));
    find("loss-steps").textContent = `${steps}`;
  }

  const digits = (value) => (Math.abs(value) >= 1e5 ? value.toExponential(2) : value.toFixed(6)).replace("-", "−");
  const brief = (value) => value !== 0 && (value < 1e-3 || value >= 1e5) ? value.toExponential(3) : value.toPrecision(4);

  // Which function it is, in words, where it is not the chapter's own.
  function changed(hp) {
    const how = [];
    if (hp.angle) how.push(`turned by ${hp.angle}°`);
    if (hp.steep !== 1) how.push(hp.steep === 2 ? "twice as steep" : `${hp.steep} times as steep`);
    return how.length ? ` on f ${how.join(" and ")}` : "";
  }

  function show() {
    const hp = setting(), run = train(hp), rule = RULES[hp.optimizer];
    const x = run.points[run.points.length - 1], f = run.losses[run.losses.length - 1];
    controls.memory.row.classList.toggle("idle", !rule.memory);
    for (const input of controls.memory.row.querySelectorAll("input")) input.disabled = !rule.memory;
    const word = rule.memory === "momentum" ? "momentum β" : "memory γ";
    controls.memory.row.querySelector("label").textContent = word;
    controls.memory.row.querySelector("[type=number]").setAttribute("aria-label", `${word}, exactly`);
    find("contours").setAttribute("transform", `rotate(${-hp.angle}) scale(${1 / Math.sqrt(hp.steep)})`);
    drawPath(run);
    drawLosses(run, hp.steps);
    const name = facts.names[hp.optimizer] + changed(hp), place = `x = (${digits(x[0])}, ${digits(x[1])}), loss ${brief(f)}`;
    const out = find("readout");
    out.textContent = run.finished
      ? `${name} after ${hp.steps} step${hp.steps === 1 ? "" : "s"}: ${place}.`
      : `${name} diverges: it leaves for infinity at step ${run.points.length}.`;
    Object.assign(out.dataset, { x1: x[0], x2: x[1], loss: f, steps: run.points.length - 1, finished: run.finished });
  }

  choice.addEventListener("change", show);
  for (const button of root.querySelectorAll("[data-set]")) {
    button.addEventListener("click", () => {
      const values = JSON.parse(button.dataset.set);
      choice.value = values.optimizer;
      for (const [name, control] of Object.entries(controls)) control.value = values[name];
      show();
    });
  }
  root.classList.add("live");
  show();
})();

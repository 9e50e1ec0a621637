// The explorer: trains the chosen rule on the chosen function, in the page, whenever a control moves.
(() => {
  "use strict";
  const root = document.getElementById("explorer");
  const facts = JSON.parse(root.dataset.facts);  // functions, condition, eps, names, titles: from the record
  const find = (name) => root.querySelector(`[data-part="${name}"]`);

{% include "explorer_rules.js" %}

{% include "explorer_picture.js" %}

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
  const choice = root.querySelector("#choose"), which = root.querySelector("#choose-function");
  const boxes = ["start-x1", "start-x2"].map(find), logged = find("log-steps");
  const own = () => facts.functions[which.value];

  function setting() {
    const hp = { optimizer: choice.value, function: which.value, eps: facts.eps[choice.value] };
    for (const [name, control] of Object.entries(controls)) hp[name] = control.value;
    hp.memory = Math.min(hp.memory, RULES[hp.optimizer].most ?? 1);
    if (hp.optimizer === "adam") hp.momentum = Math.min(hp.momentum, 0.9999);
    if (hp.function !== "ellipse") Object.assign(hp, { angle: 0, steep: 1 });
    hp.start = boxes.map((box, i) => box.value !== "" && Number.isFinite(Number(box.value)) ? Number(box.value) : own().start[i]);
    return hp;
  }

  const digits = (value) => (Math.abs(value) >= 1e5 ? value.toExponential(2) : value.toFixed(6)).replace("-", "−");
  const brief = (value) => (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5) ? value.toExponential(3) : value.toPrecision(4)).replace(/^-/, "−");

  // Which function it is, in words, where it is not the chapter's own.
  function changed(hp) {
    if (hp.function !== "ellipse") return ` on ${facts.titles[hp.function]}`;
    const how = [];
    if (hp.angle) how.push(`turned by ${hp.angle}°`);
    if (hp.steep !== 1) how.push(hp.steep === 2 ? "twice as steep" : `${hp.steep} times as steep`);
    return how.length ? ` on f ${how.join(" and ")}` : "";
  }

  // What else is to be said of a run: its share of progress, its way out of the picture, whether it swings for ever.
  function more(run, hp, way) {
    const said = [], last = run.points.length - 1, gap = (t) => run.losses[t] - own().minimum;
    if (run.finished && gap(0) > 0) {
      const share = gap(last) / gap(0);
      said.push(share > 1 ? `It ends ${share.toPrecision(3)} times as high as it began.` : `${(100 * share).toPrecision(2)}% of the gap at the start is left.`);
      const apart = (s, t) => Math.hypot(...[0, 1].map((i) => run.points[s][i] - run.points[t][i]));
      if (last > 3 && apart(last, last - 2) < 1e-9 && apart(last, last - 1) > 1e-6) said.push("It swings between two points.");
    }
    if (way.left > 0) said.push(`The path leaves the picture at step ${way.left}${way.back ? " and returns" : ""}.`);
    return said.join(" ");
  }

  function used(control, word, otherwise) {
    control.row.classList.toggle("idle", !word);
    for (const input of control.row.querySelectorAll("input")) input.disabled = !word;
    control.row.querySelector("label").textContent = word || otherwise;
    control.row.querySelector("[type=number]").setAttribute("aria-label", `${word || otherwise}, exactly`);
  }

  let drawn = "";
  function show() {
    const hp = setting(), run = train(hp), rule = RULES[hp.optimizer], view = viewOf(own());
    const x = run.points.at(-1), f = run.losses.at(-1), ellipse = hp.function === "ellipse";
    used(controls.memory, rule.memory, "memory γ");
    used(controls.momentum, rule.momentum, "momentum β");
    used(controls.angle, ellipse && "turned by (degrees)", "turned by (degrees)");
    used(controls.steep, ellipse && "times as steep", "times as steep");
    for (const control of [controls.angle, controls.steep]) control.row.hidden = !ellipse;
    const ground = JSON.stringify([hp.function, hp.angle, hp.steep]);
    if (ground !== drawn) {
      const { loss } = FUNCTIONS[hp.function](hp), base = loss(own().start) - own().minimum;
      find("contours").parentNode.removeAttribute("transform");
      find("contours").innerHTML = `<path d="${contours(loss, own().minimum, base, view)}"/>`;
      drawFrame(own(), view);
      drawn = ground;
    }
    drawStart(hp.start, view);
    const way = drawPath(run, view);
    drawLosses(run, hp, own());
    const name = facts.names[hp.optimizer] + changed(hp), place = `x = (${digits(x[0])}, ${digits(x[1])}), loss ${brief(f)}`;
    const out = find("readout");
    out.textContent = run.finished
      ? `${name} after ${hp.steps} step${hp.steps === 1 ? "" : "s"}: ${place}.`
      : `${name} diverges: it leaves for infinity at step ${run.points.length}.`;
    find("more").textContent = more(run, hp, way);
    Object.assign(out.dataset, { x1: x[0], x2: x[1], loss: f, steps: run.points.length - 1, finished: run.finished });
  }

{% include "explorer_state.js" %}

  root.classList.add("live");
  if (!fromAddress()) show();
})();

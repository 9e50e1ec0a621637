// Live landscapes: a figure's maps are drawn from its data-maps (analysis/pages/live_maps.py says what that holds), when
// it comes near the screen, is touched, or goes to paper: a page may have hundreds of maps.
// The cross-hairs of a figure share the learning rate; the curves beside a map are its values along the cross-hair.
(() => {
  "use strict";
  const LEFT = 46, TOP = 4, GAP = 6, BESIDE = 46, BELOW = 58, TICKS = 17, PLANE = 176, STRIP = 20;
  const POWER = 256, LOST = 511;

  const trimmed = (text) => text.replace(/\.(\d*?)0+(e|$)/, (_, digits, end) => (digits && `.${digits}`) + end);

  // A value as the tables write it, to three digits.
  function number(value, digits = 3) {
    const size = Math.abs(value);
    if (value === Infinity) return "∞";
    if (value === 0) return "0";
    if (size < 1e-4 || size >= 1e5) return trimmed(value.toExponential(digits - 1)).replace("e+", "e");
    const exact = Number(value.toPrecision(digits));
    return size < 1000 ? trimmed(size < 100 || digits > 2 ? value.toPrecision(digits) : `${exact}`) : (digits > 2 ? Math.round(value) : exact).toLocaleString("en-US");
  }

  function unpacked(text) {
    const bytes = atob(text), points = [];
    for (let i = 0; i < bytes.length; i += 3) {
      const bits = bytes.charCodeAt(i) << 16 | bytes.charCodeAt(i + 1) << 8 | bytes.charCodeAt(i + 2);
      const power = bits >> 5 & 511, digits = `${bits & 16 ? "-" : ""}${bits >> 14}e${power - POWER}`;
      points.push({ value: power === LOST ? Infinity : Number(digits), worse: (bits & 8) > 0, lost: bits & 7 });
    }
    return points;
  }

  // Borders between the places of an axis, the outer ones by extension.
  function edges(at) {
    if (at.length === 1) return [at[0] - 0.5, at[0] + 0.5];
    const middle = at.slice(1).map((place, i) => (place + at[i]) / 2), last = at.length - 1;
    return [2 * at[0] - middle[0], ...middle, 2 * at[last] - middle[last - 1]];
  }

  const nearest = (at, place) => at.reduce((best, each, i) => Math.abs(each - place) < Math.abs(at[best] - place) ? i : best, 0);
  const held = (value, low, high) => Math.min(Math.max(value, low), high);

  // The colours of the page, as its style sheet has them at this moment.
  function palette() {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(`--${name}`).trim();
    const parts = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    const stops = of("gained").split(" ").map(parts);
    const found = Object.fromEntries(["ink", "soft", "line", "paper", "lost", "hatch", "worse", "halo"].map((name) => [name, of(name)]));
    found.stops = of("gained").split(" ");
    found.gained = (share) => {
      const place = held(share, 0, 1) * (stops.length - 1), i = Math.min(Math.floor(place), stops.length - 2);
      return `rgb(${stops[i].map((low, c) => Math.round(low + (place - i) * (stops[i + 1][c] - low))).join()})`;
    };
    const mixed = Number(of("mixed")), ink = parts(found.ink);
    found.of = (color) => `rgb(${parts(color).map((part, i) => Math.round(part + mixed * (ink[i] - part))).join()})`;
    return found;
  }

  class LandscapeMap {
    constructor(data, own, block) {
      Object.assign(this, { data, own, canvas: block.querySelector("canvas"), out: block.querySelector("output") });
      this.points = unpacked(own.grid);
      this.columns = own.x.at.length;
      this.rows = own.y ? own.y.at.length : 1;
      this.texts = { x: own.x.text.split(" "), y: own.y ? own.y.text.split(" ") : [] };
      this.edges = { x: edges(own.x.at), y: edges(own.y ? own.y.at : [0]) };
      this.best = own.best;
      this.step = null;  // the end
      [this.row, this.column] = own.best ?? [0, 0];
      this.tall = own.y ? PLANE : STRIP;
      if (own.marks.default && !this.holds(own.marks.default)) {
        const outside = Object.assign(document.createElement("small"), { textContent: `default outside of the grid: ${own.marks.default.text}` });
        block.querySelector("h3").append(" ", outside);
      }
    }

    at(row, column) { return this.points[row * this.columns + column]; }

    // How much of the way from the start to the lowest value is made; held to [0, 1].
    share(value) {
      const { log, low, high } = this.data, scale = log ? (v) => Math.log(Math.max(v, low)) : (v) => v;
      return held((scale(high) - scale(value)) / (scale(high) - scale(low)), 0, 1);
    }

    px(place) { const e = this.edges.x; return LEFT + this.wide * (place - e[0]) / (e[this.columns] - e[0]); }
    py(place) { const e = this.edges.y; return TOP + this.tall * (1 - (place - e[0]) / (e[this.rows] - e[0])); }
    placeOf(x, y) {
      const { x: ex, y: ey } = this.edges;
      return [
        nearest(this.own.y ? this.own.y.at : [0], ey[0] + (1 - (y - TOP) / this.tall) * (ey[this.rows] - ey[0])),
        nearest(this.own.x.at, ex[0] + (x - LEFT) / this.wide * (ex[this.columns] - ex[0])),
      ];
    }

    holds(mark) {
      const within = (edges, place) => edges[0] <= place && place <= edges[edges.length - 1];
      return within(this.edges.x, mark.at[0]) && within(this.edges.y, mark.at[1]);
    }

    // The map without its cross-hair, kept until size or colours change.
    drawGround(colors) {
      const width = this.canvas.clientWidth, height = TOP + this.tall + TICKS + BELOW + 4, dots = devicePixelRatio || 1;
      this.wide = width - LEFT - GAP - BESIDE;
      this.canvas.style.height = `${height}px`;
      const size = { width: Math.round(width * dots), height: Math.round(height * dots) };
      Object.assign(this.canvas, size);
      this.ground = Object.assign(document.createElement("canvas"), size);
      const pen = this.ground.getContext("2d");
      pen.scale(dots, dots);
      this.drawFields(pen, colors);
      this.drawAxes(pen, colors);
      this.drawMarks(pen, colors);
    }

    drawFields(pen, colors) {
      const lost = new Path2D(), some = new Path2D(), border = new Path2D();
      const dots = devicePixelRatio || 1, whole = (length) => Math.round(length * dots) / dots;  // no seams
      const stable = (row, column) => row < 0 || column < 0 || row >= this.rows || column >= this.columns ? null : this.at(row, column).lost === 0;
      for (let row = 0; row < this.rows; row++) {
        for (let column = 0; column < this.columns; column++) {
          const point = this.at(row, column), gone = point.value === Infinity;
          const x0 = whole(this.px(this.edges.x[column])), x1 = whole(this.px(this.edges.x[column + 1]));
          const y0 = whole(this.py(this.edges.y[row + 1])), y1 = whole(this.py(this.edges.y[row]));
          pen.fillStyle = gone ? colors.lost : point.worse ? colors.worse : colors.gained(this.share(point.value));
          pen.fillRect(x0, y0, x1 - x0, y1 - y0);
          if (point.lost) (gone ? lost : some).rect(x0, y0, x1 - x0, y1 - y0);
          if (stable(row, column + 1) === !stable(row, column)) { border.moveTo(x1, y0); border.lineTo(x1, y1); }
          if (stable(row + 1, column) === !stable(row, column)) { border.moveTo(x0, y0); border.lineTo(x1, y0); }
        }
      }
      this.hatch(pen, lost, 4, colors.hatch);
      this.hatch(pen, some, 8, colors.hatch);
      pen.strokeStyle = colors.ink;
      pen.lineWidth = 1.2;
      pen.stroke(border);
      pen.lineWidth = 1;
      pen.strokeStyle = colors.line;
      pen.strokeRect(LEFT, TOP, this.wide, this.tall);
    }

    hatch(pen, area, step, color) {
      pen.save();
      pen.clip(area);
      pen.beginPath();
      for (let x = LEFT - this.tall; x < LEFT + this.wide; x += step) {
        pen.moveTo(x, TOP + this.tall);
        pen.lineTo(x + this.tall, TOP);
      }
      pen.strokeStyle = color;
      pen.lineWidth = 0.6;
      pen.stroke();
      pen.restore();
    }

    drawAxes(pen, colors) {
      pen.fillStyle = colors.soft;
      pen.font = "10px system-ui, sans-serif";
      pen.textAlign = "center";
      let free = -Infinity;
      for (const [place, text] of this.own.x.ticks) {
        const x = this.px(place), half = pen.measureText(text).width / 2;
        if (x - half < free) continue;
        free = x + half + 6;
        pen.fillRect(x - 0.5, TOP + this.tall, 1, 3);
        pen.fillText(text, x, TOP + this.tall + 13);
      }
      pen.textAlign = "left";
      pen.fillText(this.own.x.name, LEFT + this.wide + GAP + 8, TOP + this.tall + 13);
      pen.textAlign = "right";
      if (this.own.y) {
        for (const [place, text] of this.own.y.ticks) {
          pen.fillRect(LEFT - 3, this.py(place) - 0.5, 3, 1);
          pen.fillText(text, LEFT - 5, this.py(place) + 3.5);
        }
      }
      const top = this.below;
      pen.fillText(number(this.data.high), LEFT - 5, top + 7);
      pen.fillText(number(this.data.low), LEFT - 5, top + BELOW);
      pen.strokeStyle = colors.line;
      pen.strokeRect(LEFT, top, this.wide, BELOW);
      if (this.own.y) pen.strokeRect(LEFT + this.wide + GAP, TOP, BESIDE - 2, this.tall);
    }

    get below() { return TOP + this.tall + TICKS; }

    drawMarks(pen, colors) {
      const { marks, x, y } = this.own, { best } = this;
      const place = (mark) => [this.px(held(mark.at[0], this.edges.x[0], this.edges.x[this.columns])),
        this.py(held(mark.at[1], this.edges.y[0], this.edges.y[this.rows]))];
      const draw = (shape, filled) => {
        pen.lineJoin = "round";
        pen.lineWidth = 3.5;
        pen.strokeStyle = colors.halo;
        pen.stroke(shape);
        if (filled) { pen.fillStyle = colors.ink; pen.fill(shape); return; }
        pen.lineWidth = 1.6;
        pen.strokeStyle = colors.ink;
        pen.stroke(shape);
      };
      const turned = (px, py, count, radius) => {
        const shape = new Path2D();
        for (let i = 0; i < count; i++) {
          const angle = Math.PI * (2 * i / count - 0.5), r = radius[i % radius.length];
          shape.lineTo(px + r * Math.cos(angle), py + r * Math.sin(angle));
        }
        shape.closePath();
        return shape;
      };
      if (best) draw(turned(this.px(x.at[best[1]]), this.py(y ? y.at[best[0]] : 0), 10, [7, 3]), true);
      if (marks.default && this.holds(marks.default)) draw(turned(...place(marks.default), 4, [4.8]), true);
      if (marks.tuned) {
        const ring = new Path2D();
        ring.arc(...place(marks.tuned), 6.5, 0, 2 * Math.PI);
        draw(ring, false);
      }
    }

    // A line through values at pixels along an axis; broken where runs diverge.
    trace(pen, values, point) {
      let down = false;
      pen.beginPath();
      values.forEach((value, i) => {
        if (value === Infinity) { down = false; return; }
        const [x, y] = point(i, this.share(value));
        if (down) pen.lineTo(x, y); else { pen.moveTo(x, y); pen.lineTo(x + 0.01, y); }
        down = true;
      });
      pen.stroke();
    }

    get rateSlice() { return this.own.x.at.map((_, column) => this.at(this.row, column).value); }
    get secondSlice() { return this.edges.y.slice(1).map((_, row) => this.at(row, this.column).value); }

    // The lowest value of each rate, of its stable points if it has any: the sensitivity curve.
    get lowest() {
      return this.own.x.at.map((_, column) => {
        const points = this.edges.y.slice(1).map((_, row) => this.at(row, column)), safe = points.filter((point) => !point.lost);
        return Math.min(...(safe.length ? safe : points).map((point) => point.value));
      });
    }

    draw(colors) {
      const pen = this.canvas.getContext("2d"), dots = devicePixelRatio || 1, point = this.at(this.row, this.column);
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
      pen.drawImage(this.ground, 0, 0);
      pen.scale(dots, dots);
      const x = this.px(this.own.x.at[this.column]), y = this.py(this.own.y ? this.own.y.at[this.row] : 0);
      const down = (share) => this.below + 2 + (BELOW - 4) * share, beside = LEFT + this.wide + GAP;
      const across = (share) => beside + 2 + (BESIDE - 6) * (1 - share);
      pen.lineWidth = 1;
      pen.strokeStyle = colors.soft;
      pen.setLineDash([3, 2]);
      pen.beginPath();
      pen.moveTo(x, TOP); pen.lineTo(x, TOP + this.tall);
      pen.moveTo(x, this.below); pen.lineTo(x, this.below + BELOW);
      if (this.own.y) { pen.moveTo(LEFT, y); pen.lineTo(beside + BESIDE - 2, y); }
      pen.stroke();
      pen.setLineDash([]);
      pen.strokeStyle = colors.of(this.own.color);
      pen.lineWidth = 1.2;
      const along = (i, share) => [this.px(this.own.x.at[i]), down(share)];
      if (this.own.y) {
        pen.globalAlpha = 0.4;
        this.trace(pen, this.lowest, along);
        pen.globalAlpha = 1;
      }
      pen.lineWidth = 1.8;
      this.trace(pen, this.rateSlice, along);
      if (this.own.y) this.trace(pen, this.secondSlice, (i, share) => [across(share), this.py(this.own.y.at[i])]);
      if (point.value === Infinity) return;
      pen.fillStyle = colors.ink;
      for (const [px, py] of [[x, down(this.share(point.value))], ...(this.own.y ? [[across(this.share(point.value)), y]] : [])]) {
        pen.beginPath();
        pen.arc(px, py, 3, 0, 2 * Math.PI);
        pen.fill();
      }
    }

    numberText(value) { return number(value); }
    valueText({ value }, digits) {
      const { smallest } = this.data;
      if (value === Infinity) return "diverged";
      return smallest !== null && value < smallest * (digits > 2 ? 1 : 1.02) ? `<${number(Number(smallest.toPrecision(1)))}` : number(value, digits);
    }
    settingText(row, column) {
      const { x, y } = this.own;
      return `${x.name} ${this.texts.x[column]}${y ? `, ${y.name} ${this.texts.y[row]}` : ""}`;
    }

    // The map after some steps: its points, the best of them, and the number of steps (null: the end).
    turn(points, best, step) { Object.assign(this, { points, best, step }); }

    say() {
      const { n } = this.own, { name } = this.data, point = this.at(this.row, this.column);
      const setting = this.settingText(this.row, this.column), value = this.valueText(point, this.step === null ? 3 : 2);
      const lost = n > 1 ? `${point.lost === 7 && n > 7 ? "7 or more" : point.lost} of ${n} seeds diverged` : "diverged";
      const said = point.value === Infinity ? lost : `${name} ${value}${point.lost ? ` (${lost})` : ""}${point.worse ? ", above its start" : ""}`;
      this.out.textContent = `${setting}: ${said}${this.step === null ? "" : ` after ${this.step.toLocaleString("en-US")} step${this.step === 1 ? "" : "s"}`}`;
      Object.assign(this.out.dataset, { row: this.row, column: this.column, value: point.value });
    }
  }

  function live(figure) {
    const data = JSON.parse(figure.dataset.maps), blocks = figure.querySelectorAll(".map");
    const maps = data.maps.map((own, i) => new LandscapeMap(data, own, blocks[i]));
    let colors = palette(), run = null, shown = 0;
    const visible = (map) => map.canvas.clientWidth > 0;

    function paint() {
      colors = palette();
      for (const map of maps.filter(visible)) { map.drawGround(colors); map.draw(colors); }
      run?.draw(colors, shown);
    }

    // The cross-hair of a map goes to a grid point; those of the others to the same learning rate.
    function go(map, row, column) {
      map.row = held(row, 0, map.rows - 1);
      map.column = held(column, 0, map.columns - 1);
      for (const each of maps) {
        if (each !== map) each.column = nearest(each.own.x.at, map.own.x.at[map.column]);
        if (visible(each)) each.draw(colors);
        each.say();
      }
    }

    const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0], Home: [0, -1e9], End: [0, 1e9] };
    for (const map of maps) {
      const follow = (event) => go(map, ...map.placeOf(event.offsetX, event.offsetY));
      map.canvas.addEventListener("pointermove", follow);
      map.canvas.addEventListener("pointerdown", follow);
      map.canvas.addEventListener("focus", () => map.out.setAttribute("aria-live", "polite"));
      map.canvas.addEventListener("blur", () => map.out.setAttribute("aria-live", "off"));
      map.canvas.addEventListener("keydown", (event) => {
        const move = MOVES[event.key];
        if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        go(map, map.row + move[0], map.column + move[1]);
      });
      map.say();
    }

    // A slider over the steps that were kept, and the convergence of the setting that is clicked.
    async function overSteps() {
      const steps = [...data.over.steps, data.end], kept = await OverSteps.unpacked(data.over, data.log, maps);
      maps.forEach((map, i) => { map.over = [...kept[i], map.points]; });
      run = new OverSteps.Run(figure, steps);
      shown = steps.length - 1;
      OverSteps.slider(figure, steps, (place) => {
        shown = place;
        const atEnd = place === steps.length - 1;
        for (const map of maps) {
          map.turn(map.over[place], atEnd ? map.own.best : map.own.bests[place], atEnd ? null : steps[place]);
          map.say();
        }
        paint();
      });
      const show = (map) => { run.show(map, map.row, map.column); run.draw(colors, shown); };
      for (const map of maps) {
        map.canvas.addEventListener("click", () => show(map));
        map.canvas.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); show(map); } });
      }
    }
    if (data.over) overSteps();
    const part = (name) => figure.querySelector(`[data-part="${name}"]`);
    const deepest = Math.min(...maps.flatMap((map) => map.points.map((point) => point.value)));
    part("low").textContent = `${data.measure}: ${deepest < data.low ? "≤ " : ""}${number(data.low)}`;
    part("high").textContent = `${number(data.high)} (start)`;
    part("tuned").hidden = !maps.some((map) => map.own.marks.tuned);
    part("some").hidden = maps.every((map) => map.own.n === 1);
    let width = figure.clientWidth;
    if (width) paint();
    new ResizeObserver(() => {
      if (figure.clientWidth !== width) { width = figure.clientWidth; paint(); }
    }).observe(figure);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    for (const when of ["beforeprint", "afterprint", "repaint"]) addEventListener(when, paint);
  }

  function paintBars() {
    document.documentElement.style.setProperty("--bar", `linear-gradient(90deg, ${palette().stops.reverse().join()})`);
  }

  // page.js, which comes first, says when a page is on paper, and when its colours or what is shown change: "repaint"
  const asleep = new Set(document.querySelectorAll("[data-maps]"));
  const wake = (figure) => { if (asleep.delete(figure)) live(figure); };
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) { near.unobserve(target); wake(target); }
  }, { rootMargin: "100% 0px" });
  for (const figure of asleep) {
    near.observe(figure);
    for (const touch of ["pointermove", "pointerdown", "focusin", "keydown"]) figure.addEventListener(touch, () => wake(figure), { capture: true, once: true });
  }
  addEventListener("beforeprint", () => asleep.forEach(wake));
  paintBars();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintBars);
  for (const when of ["beforeprint", "afterprint"]) addEventListener(when, paintBars);
})();

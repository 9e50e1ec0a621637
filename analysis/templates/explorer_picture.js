  // The two pictures of the explorer: contours with the path, and the loss over the steps.

  const line = (pairs) => "M" + pairs.map((pair) => pair.map((v) => v.toFixed(1)).join(" ")).join("L");
  const STAR = "M0 -10L2.4 -3.3L9.5 -3.1L3.9 1.3L5.9 8.1L0 4.1L-5.9 8.1L-3.9 1.3L-9.5 -3.1L-2.4 -3.3Z";
  const WIDE = 600, TALL = 400;

  // Between the plane and the picture of 600 x 400, whose units are equally long in both directions.
  function viewOf({ frame: [[left, right], [low, high]] }) {
    return {
      pixel: ([x, y]) => [WIDE * (x - left) / (right - left), TALL * (high - y) / (high - low)],
      plane: ([px, py]) => [left + px / WIDE * (right - left), high - py / TALL * (high - low)],
      inside: ([x, y]) => x >= left && x <= right && y >= low && y <= high,
      unit: (right - left) / WIDE, left, right, low, high,
    };
  }

  // Curves of equal loss, a third of a decade of the gap apart, from a grid of squares that each curve crosses straight.
  function contours(loss, minimum, gap, view) {
    const fine = 4, across = WIDE / fine, down = TALL / fine;
    const grid = Array.from({ length: down + 1 }, (_, j) => Array.from({ length: across + 1 },
      (_, i) => Math.log10(Math.max(loss(view.plane([i * fine, j * fine])) - minimum, 1e-300))));
    const out = [];
    for (let power = -8; power <= 9; power++) {
      const level = Math.log10(gap) + power / 3;
      for (let j = 0; j < down; j++) for (let i = 0; i < across; i++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cut = [];
        for (let k = 0; k < 4; k++) {
          const [p, q] = [corners[k], corners[(k + 1) % 4]], a = grid[p[1]][p[0]] - level, b = grid[q[1]][q[0]] - level;
          if (a < 0 !== b < 0) cut.push([0, 1].map((d) => fine * (p[d] + (q[d] - p[d]) * a / (a - b))));
        }
        for (let k = 0; k + 1 < cut.length; k += 2) out.push(line([cut[k], cut[k + 1]]));
      }
    }
    return out.join("");
  }

  // The part of a straight step that lies in the picture, as shares from and to of it; null where none does.
  function seen([ax, ay], [bx, by]) {
    let from = 0, to = 1;
    for (const [d, a, most] of [[bx - ax, ax, WIDE], [by - ay, ay, TALL]]) {
      if (d === 0 && (a < 0 || a > most)) return null;
      if (d === 0) continue;
      const ends = [-a / d, (most - a) / d].sort((p, q) => p - q);
      from = Math.max(from, ends[0]);
      to = Math.min(to, ends[1]);
    }
    return from <= to ? [from, to] : null;
  }

  function drawPath(run, view) {
    const pixels = run.points.map(view.pixel), pieces = [], leaves = [];
    for (let t = 1; t < pixels.length; t++) {
      const a = pixels[t - 1], b = pixels[t], part = seen(a, b);
      if (!part) continue;
      const at = (share) => [0, 1].map((d) => share === 1 ? b[d] : a[d] + share * (b[d] - a[d]));
      if (part[0] === 0 && pieces.length && t > 1 && pieces.at(-1).until === t - 1) pieces.at(-1).push(at(part[1]));
      else pieces.push([at(part[0]), at(part[1])]);
      pieces.at(-1).until = part[1] === 1 ? t : -1;
      if (part[1] < 1) leaves.push([...at(part[1]), Math.atan2(b[1] - a[1], b[0] - a[0]) * 180 / Math.PI]);
    }
    find("path").setAttribute("d", pieces.map(line).join("") || "M0 0");
    find("leaves").innerHTML = leaves.slice(0, 24).map(([x, y, turn]) =>
      `<path transform="translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${turn.toFixed(1)})" d="M-15 -8L0 0L-15 8Z"/>`).join("");
    const inside = pixels.filter((_, t) => view.inside(run.points[t]));
    find("dots").setAttribute("d", pixels.length <= 101 ? inside.map((pair) => line([pair, pair])).join("") : "");
    const ends = view.inside(run.points.at(-1)), [x, y] = ends ? pixels.at(-1) : [-99, -99];
    find("end").setAttribute("cx", x);
    find("end").setAttribute("cy", y);
    return { left: run.points.findIndex((point) => !view.inside(point)), back: ends };
  }

  // Ticks at 1, 2 or 5 times a power of ten, at most six a side; a word of its own where the picture ends.
  function drawFrame(own, view) {
    const signed = (v) => String(Number(v.toPrecision(6))).replace("-", "−");
    const ticks = (low, high) => {
      const rough = (high - low) / 5, ten = 10 ** Math.floor(Math.log10(rough));
      const gap = [1, 2, 5, 10].map((m) => m * ten).find((size) => size >= rough), first = Math.ceil(low / gap);
      return Array.from({ length: Math.floor(high / gap) - first + 1 }, (_, i) => (first + i) * gap);
    };
    const across = ticks(view.left, view.right).map((v) => [view.pixel([v, 0])[0], signed(v)]).filter(([x]) => x > 40 && x < 570);
    const down = ticks(view.low, view.high).map((v) => [view.pixel([0, v])[1], signed(v)]).filter(([y]) => y > 35 && y < 380);
    find("ticks").innerHTML = across.map(([x, text]) => `<path d="M${x} 400v-6"/><text x="${x}" y="390" text-anchor="middle">${text}</text>`).join("") +
      down.map(([y, text]) => `<path d="M0 ${y}h6"/><text x="12" y="${y + 5}">${text}</text>`).join("") +
      '<text x="594" y="390" text-anchor="end">x₁</text><text x="12" y="18">x₂</text>';
    find("minima").innerHTML = own.minimisers.map((at) => view.pixel(at)).map(([x, y]) =>
      `<path class="minimum" d="${STAR}" transform="translate(${x.toFixed(1)} ${y.toFixed(1)})"/>`).join("");
  }

  function drawStart(at, view) {
    const [x, y] = view.pixel(at), dot = find("start"), word = find("start-word"), said = at.map((v) => v.toPrecision(4));
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    dot.setAttribute("aria-valuenow", at[0]);
    dot.setAttribute("aria-valuetext", `x₁ ${said[0]}, x₂ ${said[1]}`);
    word.setAttribute("x", Math.min(x, 540));
    word.setAttribute("y", Math.min(y, 370));
  }

  // The axis fits the run: from the power of ten above its highest gap to the one below its lowest.
  function drawLosses(run, hp, own) {
    const gaps = run.losses.map((f) => f - own.minimum), most = Math.max(...gaps.slice(0, 1), ...gaps.filter((f) => f < 1e6 * (gaps[0] || 1)));
    const top = Math.ceil(Math.log10(most || 1)), least = Math.min(...gaps.filter((f) => f > 0), most || 1);
    const bottom = Math.min(top - 1, Math.max(Math.floor(Math.log10(least)), top - 20));
    const height = (f) => 20 + 340 * (top - Math.min(Math.max(Math.log10(Math.max(f, 1e-300)), bottom), top + 0.9)) / (top - bottom);
    const logged = find("log-steps").checked, place = (t) => logged ? Math.log(1 + t) / Math.log(1 + hp.steps) : t / hp.steps;
    find("loss-line").setAttribute("d", line(gaps.map((f, t) => [64 + 328 * place(t), height(f)])));
    const ticks = [];
    for (let power = top; power >= bottom; power -= Math.ceil((top - bottom) / 5)) ticks.push(power);
    find("loss-ticks").innerHTML = ticks.map((power) => {
      const y = height(10 ** power);
      return `<path d="M64 ${y}H392"/><text x="58" y="${y + 5}" text-anchor="end">1e${power}</text>`;
    }).join("");
    find("loss-steps").textContent = `${hp.steps}`;
    find("loss-axis").textContent = logged ? "step, logarithmic" : "step";
    find("loss-name").textContent = own.minimum === 0 ? "loss" : "loss above its minimum";
  }

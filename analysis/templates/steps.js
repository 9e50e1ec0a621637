// What maps say of fewer steps: the numbers behind the slider (analysis/pages/maps_over_steps.py says what they are),
// and the panel that shows how one setting converges.
const OverSteps = (() => {
  "use strict";
  const TALL = 120, LEFT = 46, RIGHT = 8, TOP = 6, TICKS = 17;

  // The points of every map after each of the steps before the end.
  async function unpacked({ steps, offset, unit, data }, log, maps) {
    const packed = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer()), count = bytes.length / 3;
    let at = 0, level = 0;
    const point = () => {
      level = level + (bytes[at] << 8 | bytes[count + at]) & 65535;
      const place = offset + unit * (level - 1), state = bytes[2 * count + at++];
      return { value: level === 0 ? Infinity : log ? 10 ** place : place, worse: (state & 8) > 0, lost: state & 7 };
    };
    return maps.map((map) => steps.map(() => map.points.map(point)));
  }

  // The slider of a figure: `moved(place)` is called with a place among the steps, the last of which is the end.
  function slider(figure, steps, moved) {
    const block = figure.querySelector(".horizon"), input = block.querySelector("input");
    const said = block.querySelector("output");
    Object.assign(input, { min: 0, max: steps.length - 1, step: 1, value: steps.length - 1 });
    const tell = () => {
      const step = steps[Number(input.value)], text = `${step.toLocaleString("en-US")} step${step === 1 ? "" : "s"}`;
      said.textContent = text;
      input.setAttribute("aria-valuetext", text);
    };
    input.addEventListener("input", () => { tell(); moved(Number(input.value)); });
    tell();
    block.hidden = false;
  }

  // The panel in which a setting converges: its measure after all steps that were kept.
  class Run {
    constructor(figure, steps) {
      this.block = figure.querySelector(".run");
      this.canvas = this.block.querySelector("canvas");
      this.out = this.block.querySelector("output");
      this.steps = steps;
    }

    show(map, row, column) {
      Object.assign(this, { map, row, column });
      this.block.hidden = false;
      const each = this.points.map((point, i) => `${map.valueText(point, i === this.steps.length - 1 ? 3 : 2)} after ${this.steps[i].toLocaleString("en-US")}`);
      this.out.textContent = `${map.own.label}, ${map.settingText(row, column)}: ${map.data.name} ${each.join(", ")} steps`;
    }

    get points() { return this.steps.map((_, i) => this.map.over[i][this.row * this.map.columns + this.column]); }

    draw(colors, place) {
      if (!this.map) return;
      const width = this.canvas.clientWidth, height = TALL + TOP + TICKS, dots = devicePixelRatio || 1;
      this.canvas.style.height = `${height}px`;
      Object.assign(this.canvas, { width: Math.round(width * dots), height: Math.round(height * dots) });
      const pen = this.canvas.getContext("2d"), map = this.map, last = this.steps.length - 1;
      pen.scale(dots, dots);
      const low = Math.log(this.steps[0]), span = Math.log(this.steps[last]) - low || 1;
      const px = (i) => LEFT + 6 + (width - LEFT - RIGHT - 12) * (Math.log(this.steps[i]) - low) / span;
      const py = (share) => TOP + 4 + (TALL - 8) * share;
      pen.strokeStyle = colors.line;
      pen.strokeRect(LEFT, TOP, width - LEFT - RIGHT, TALL);
      pen.fillStyle = colors.soft;
      pen.font = "10px system-ui, sans-serif";
      pen.textAlign = "right";
      pen.fillText(map.numberText(map.data.high), LEFT - 5, TOP + 9);
      pen.fillText(map.numberText(map.data.low), LEFT - 5, TOP + TALL);
      pen.textAlign = "center";
      let free = -Infinity;
      this.steps.forEach((step, i) => {
        const text = i === last ? `${step} steps` : `${step}`, half = pen.measureText(text).width / 2;
        const x = Math.min(px(i), width - half);
        if (x - half < free || (i < last && x + half > px(last) - 40)) return;
        free = x + half + 6;
        pen.fillText(text, x, TOP + TALL + 13);
      });
      pen.setLineDash([3, 2]);
      pen.strokeStyle = colors.soft;
      pen.beginPath();
      pen.moveTo(px(place), TOP);
      pen.lineTo(px(place), TOP + TALL);
      pen.stroke();
      pen.setLineDash([]);
      pen.strokeStyle = colors.of(map.own.color);
      pen.fillStyle = pen.strokeStyle;
      pen.lineWidth = 1.8;
      map.trace(pen, this.points.map((point) => point.value), (i, share) => [px(i), py(share)]);
      this.points.forEach((point, i) => {
        if (point.value === Infinity) return;
        pen.beginPath();
        pen.arc(px(i), py(map.share(point.value)), 2.5, 0, 2 * Math.PI);
        pen.fill();
      });
    }
  }

  return { unpacked, slider, Run };
})();

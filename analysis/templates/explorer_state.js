  // Where a setting comes from besides the sliders: buttons, a start of the reader's own, the address of the page.

  function startAt(point) {
    boxes.forEach((box, i) => { box.value = Number(point[i].toPrecision(4)); });
    show();
    keep();
  }

  // Sets what `values` names and leaves the rest; a function brings its start where none is named.
  function take(values) {
    if (values.optimizer in facts.names) choice.value = values.optimizer;
    if (values.function in facts.functions) {
      which.value = values.function;
      boxes.forEach((box, i) => { box.value = own().start[i]; });
    }
    for (const [name, control] of Object.entries(controls)) {
      const box = control.row.querySelector("[type=number]"), value = Number(values[name]);
      if (!(name in values) || String(values[name]).trim() === "" || !Number.isFinite(value)) continue;
      const held = Math.min(Math.max(value, Number(box.min)), Number(box.max));
      control.value = name === "steps" ? Math.round(held) : held;
    }
    boxes.forEach((box, i) => {
      const value = values[`x${i + 1}`];
      if (value !== undefined && value !== "" && Number.isFinite(Number(value))) box.value = Number(value);
    });
    logged.checked = "log" in values ? values.log === "1" : controls.steps.value > 100;
    show();
  }

  // The address after #try& names what the reader set; it is written once the hand rests.
  let resting = 0;
  function keep() {
    clearTimeout(resting);
    resting = setTimeout(() => {
      const values = { function: which.value, optimizer: choice.value };
      for (const [name, control] of Object.entries(controls)) values[name] = control.value;
      boxes.forEach((box, i) => { values[`x${i + 1}`] = box.value; });
      values.log = logged.checked ? "1" : "0";
      history.replaceState(null, "", `#try&${new URLSearchParams(values)}`);
    }, 250);
  }
  function fromAddress() {
    if (!location.hash.startsWith("#try&")) return false;
    take(Object.fromEntries(new URLSearchParams(location.hash.slice(5))));
    keep();  // page.js, which comes after, goes to the section and keeps its name alone
    return true;
  }
  addEventListener("hashchange", fromAddress);

  choice.addEventListener("change", show);
  which.addEventListener("change", () => startAt(own().start));
  logged.addEventListener("change", show);
  for (const box of boxes) box.addEventListener("change", show);
  for (const input of root.querySelectorAll("select, input")) {
    input.addEventListener("input", keep);
    input.addEventListener("change", keep);
  }
  for (const button of root.querySelectorAll("[data-set]")) {
    button.addEventListener("click", () => { take(JSON.parse(button.dataset.set)); keep(); });
  }

  // A click puts the start there, a mouse drags it; a finger drags the dot alone, so that the page can be scrolled.
  const plane = root.querySelector(".plane"), dot = find("start");
  const under = (event) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(plane.getScreenCTM().inverse());
    return viewOf(own()).plane([Math.min(Math.max(x, 0), WIDE), Math.min(Math.max(y, 0), TALL)]);
  };
  plane.addEventListener("click", (event) => startAt(under(event)));
  plane.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch" || event.target === dot) plane.setPointerCapture(event.pointerId);
  });
  plane.addEventListener("pointermove", (event) => {
    if (plane.hasPointerCapture(event.pointerId)) startAt(under(event));
  });
  for (const [name, value] of Object.entries({ tabindex: 0, role: "slider", "aria-label": "start of the run: arrow keys move it" })) dot.setAttribute(name, value);
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  dot.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const size = 10 * viewOf(own()).unit;
    startAt(setting().start.map((value, i) => value + size * move[i]));
  });

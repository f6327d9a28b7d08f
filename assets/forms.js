// Controls that Gradio has no component for: preset cards, the class picker, and knobs with log sliders.
(() => {
const WB = window.WB = window.WB || {};
const make = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text != null) e.textContent = text; return e; };

// value: {cards: [{key, title, text}]}
WB.cards = (element, props, trigger, watch) => {
  const box = element.querySelector(".wb-cards");
  const draw = () => box.replaceChildren(...(props.value.cards || []).map(card => {
    const button = make("button", "wb-preset"); button.type = "button"; button.dataset.testid = `preset-${card.key}`; button.disabled = !!card.problem;
    button.append(make("strong", null, card.title), make("span", null, card.problem || card.text), make("em", null, card.note));
    button.title = card.text;
    button.addEventListener("click", () => trigger("select", {key: card.key}));
    return button;
  }));
  watch("value", draw); draw();
};

// value: {scenario, names, picked, image, columns, tile, noun}
WB.classes = (element, props, trigger, watch) => {
  const box = element.querySelector(".wb-classes");
  const put = picked => { props.value = {...props.value, picked: [...picked].sort((a, b) => a - b)}; draw(); trigger("submit"); };
  const draw = () => {
    const v = props.value; if (!v.names) return;
    const picked = new Set(v.picked), head = make("div", "wb-field-head");
    head.append(make("span", "wb-label", `Classes: ${picked.size} of ${v.names.length}`));
    for (const [text, list] of [["First 8", v.names.map((_, i) => i).slice(0, 8)], ["All", v.names.map((_, i) => i)]]) {
      const b = make("button", "wb-plain", text); b.type = "button"; b.addEventListener("click", () => put(new Set(list))); head.append(b);
    }
    const grid = make("div", "wb-class-grid"); grid.setAttribute("role", "group"); grid.setAttribute("aria-label", "Classes attacked");
    v.names.forEach((name, i) => {
      const b = make("button", "wb-class"); b.type = "button"; b.title = name; b.setAttribute("aria-label", name); b.setAttribute("aria-pressed", picked.has(i));
      if (v.image) {
        const rows = Math.ceil(v.names.length / v.columns);
        b.style.backgroundImage = `url(${v.image})`; b.style.backgroundSize = `${v.columns * 100}% ${rows * 100}%`;
        b.style.backgroundPosition = `${v.columns > 1 ? i % v.columns * 100 / (v.columns - 1) : 0}% ${rows > 1 ? Math.floor(i / v.columns) * 100 / (rows - 1) : 0}%`;
      } else b.textContent = i;
      b.addEventListener("click", () => { picked.has(i) ? picked.delete(i) : picked.add(i); put(picked); });
      grid.append(b);
    });
    const top = box.querySelector(".wb-class-grid")?.scrollTop || 0;
    box.replaceChildren(head, grid); grid.scrollTop = top;
  };
  watch("value", draw); draw();
};

// value: {attack, prefix, title, spec: [{name, kind, lo, hi, log, choices, live, help, unit}], values}
const STEPS = 1000;
const toSlider = (k, v) => Math.round(STEPS * (k.log ? Math.log(v / k.lo) / Math.log(k.hi / k.lo) : (v - k.lo) / (k.hi - k.lo)));
const nice = (k, v) => k.kind === "int" ? Math.round(v) : +v.toPrecision(3);
const fromSlider = (k, s) => nice(k, s <= 0 ? k.lo : s >= STEPS ? k.hi : k.log ? k.lo * (k.hi / k.lo) ** (s / STEPS) : k.lo + (k.hi - k.lo) * s / STEPS);

WB.knobs = (element, props, trigger, watch) => {
  const box = element.querySelector(".wb-knobs");
  let drawn = null, sending = 0, turned = {};
  const lock = () => {
    const busy = WB.running && WB.running === props.value.attack;
    box.querySelectorAll("[data-knob]").forEach(row => row.querySelectorAll("input, select").forEach(e => { e.disabled = busy && row.dataset.live !== "true"; }));
    box.classList.toggle("wb-going", !!busy);
  };
  const put = (k, value, settled) => {
    props.value = {...props.value, values: {...props.value.values, [k.name]: value}};
    clearTimeout(sending);
    if (k.live) turned[k.name] = value;  // gathered, for another knob may be turned before this one is sent
    const tell = () => {
      if (Object.keys(turned).length && WB.running === props.value.attack && WB.view) trigger("input", {run: WB.view.run, values: turned});
      turned = {}; trigger("submit");
    };
    if (settled) tell(); else sending = setTimeout(tell, 150);
  };
  const row = k => {
    const value = props.value.values[k.name], e = make("div", "wb-knob"), id = `${props.value.prefix || ""}knob-${k.name}`;
    e.dataset.knob = k.name; e.dataset.live = k.live; e.title = k.help;
    const label = make("label", "wb-label", k.name.replaceAll("_", " ")); label.htmlFor = id;
    if (k.live) { const dot = make("i", "wb-dot"); dot.title = "Can be turned while the run goes"; label.append(dot); }
    e.append(label);
    if (k.choices) {
      const select = make("select", "wb-input"); select.id = id;
      for (const [key, text] of Object.entries(k.choices)) { const o = make("option", null, text); o.value = key; select.append(o); }
      select.value = value; select.addEventListener("change", () => put(k, select.value, true)); e.append(select);
    } else if (k.kind === "bool") {
      const check = make("input"); check.type = "checkbox"; check.id = id; check.checked = value; check.addEventListener("change", () => put(k, check.checked, true)); e.append(check);
    } else if (k.kind === "str") {
      const text = make("input", "wb-input"); text.id = id; text.value = value; text.addEventListener("change", () => put(k, text.value, true)); e.append(text);
    } else {
      const number = make("input", "wb-input wb-number"), slider = make("input");
      number.id = id; number.type = "number"; number.min = k.lo; number.max = k.hi; number.step = "any"; number.value = value;
      slider.type = "range"; slider.min = 0; slider.max = STEPS; slider.value = toSlider(k, value); slider.setAttribute("aria-label", `${k.name}, slider`);
      slider.addEventListener("input", () => { number.value = fromSlider(k, +slider.value); number.setCustomValidity(""); put(k, +number.value, false); });
      number.addEventListener("change", () => {
        const v = +number.value, bad = number.value === "" || !(v >= k.lo && v <= k.hi) || (k.kind === "int" && v !== Math.round(v));
        number.setCustomValidity(bad ? `Allowed: ${k.lo} to ${k.hi}${k.kind === "int" ? ", whole numbers" : ""}` : "");
        if (bad) { number.reportValidity(); return; }
        slider.value = toSlider(k, v); put(k, v, true);
      });
      e.append(number, slider);
    }
    e.append(make("small", "wb-hint", k.help));
    return e;
  };
  const draw = () => {
    const v = props.value; if (!v.spec) return;
    if (!v.spec.length) { drawn = null; box.replaceChildren(); return; }
    if (drawn === JSON.stringify([v.attack, v.stamp])) return;
    drawn = JSON.stringify([v.attack, v.stamp]); turned = {};
    const head = make("div", "wb-field-head"); head.append(make("span", "wb-label", v.title || "Knobs"));
    if (v.spec.some(k => k.live)) { const note = make("span", "wb-hint"); note.append(make("i", "wb-dot"), " can be turned during a run"); head.append(note); }
    box.replaceChildren(head, ...v.spec.map(row)); lock();
  };
  watch("value", draw); draw();
  document.addEventListener("wb:state", lock);
};
})();

// The table of runs. Names and reasons are other people's text: they are only ever set as text.
(() => {
const WB = window.WB = window.WB || {};
const make = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text != null) e.textContent = text; return e; };

WB.runs = (element, props, trigger, watch) => {
  const box = element.querySelector(".wb-runs");
  const button = (text, act, cls) => { const b = make("button", cls || "wb-plain", text); b.type = "button"; b.addEventListener("click", act); return b; };
  const link = (text, href) => { const a = make("a", "wb-plain", text); a.href = href; a.setAttribute("download", ""); return a; };

  let at = {};  // what a person has open, {run, menu, sure, name}: a list that is read anew takes none of it away

  const line = r => {
    const tr = make("tr"), mine = at.run === r.id ? at : {}, ask = (what, more) => { at = {}; trigger(what === "again" || what === "fork" ? "submit" : "select", {do: what, run: r.id, ...more}); };
    tr.dataset.run = r.id; tr.dataset.state = r.state;
    const thumb = make("td", "wb-thumb"), picture = make("img");
    const training = r.kind === "training";
    picture.src = training ? `/wb/trainings/${r.id}/samples/latest.webp` : `/wb/runs/${r.id}/frames/latest.webp`; picture.alt = ""; picture.loading = "lazy"; picture.addEventListener("error", () => picture.remove());
    thumb.append(picture);
    const name = make("td", "wb-who"), title = make("b", null, r.name || r.what), under = make("small", null, `${r.name ? r.what + " · " : ""}${training ? (r.steps ? `${r.steps.toLocaleString("en")} steps` : "a training") : `${r.count} images`}, seed ${r.seed} · ${r.id}`);
    name.append(title, under); if (r.reason && r.state !== "finished") name.append(make("small", "wb-reason", r.reason));
    const state = make("td"); state.append(make("span", "wb-state", r.state));
    const acts = make("td", "wb-acts");
    const more = make("details"), list = make("div", "wb-menu"); more.append(make("summary", "wb-plain", "More"), list);
    const field = make("input", "wb-input"); field.maxLength = 80; field.setAttribute("aria-label", "New name");
    const keep = () => ask("rename", {name: field.value});
    field.addEventListener("input", () => { at = {run: r.id, name: field.value}; });
    field.addEventListener("keydown", e => { if (e.key === "Enter") keep(); if (e.key === "Escape") { at = {}; draw(); } });
    const edit = text => { field.value = text; name.replaceChildren(field, button("Keep", keep, "wb-button")); more.open = false; };
    const rename = button("Rename", () => { at = {run: r.id, name: r.name}; draw(); box.querySelector(".wb-input").focus(); });
    const sure = button("Really delete?", () => ask("delete"), "wb-plain wb-red");
    const remove = button("Delete", () => { at = {run: r.id, menu: true, sure: true}; remove.replaceWith(sure); sure.focus(); }, "wb-plain wb-red");
    if (training) list.append(rename);
    else list.append(button("Run again", () => ask("again")), button("Fork from the end", () => ask("fork")), rename,
      link("Sheet (PNG)", `/wb/runs/${r.id}/sheet.png`), link("Film (GIF)", `/wb/runs/${r.id}/frames.gif`), link("Record (JSON)", `/wb/runs/${r.id}/run.json`));
    if (r.ended && r.accuracy != null) list.append(link("Result (safetensors)", `/wb/runs/${r.id}/result.safetensors`));
    list.append(r.ended ? (mine.sure ? sure : remove) : button("Stop", () => ask("stop"), "wb-plain wb-red"));
    if (training) acts.append(button(r.ended ? "Look" : "Watch", () => ask("watch"), "wb-button"), more);
    else acts.append(button(r.ended ? "Replay" : "Watch", () => ask("open"), "wb-button"), button("Judge", () => ask("judge"), "wb-button"), more);
    more.open = !!mine.menu;
    more.addEventListener("toggle", () => {
      if (at.name != null) return;
      if (more.open) at = {run: r.id, menu: true, sure: sure.isConnected};
      else { sure.replaceWith(remove); if (at.run === r.id && at.menu) at = {}; }
    });
    if (mine.name != null) edit(mine.name);
    tr.append(thumb, name, state, make("td", "num", r.accuracy == null ? "–" : `${r.accuracy} %`), make("td", "num", r.seconds == null ? "–" : `${r.seconds} s`), make("td", null, r.when), acts);
    return tr;
  };

  const draw = () => {
    const rows = props.value.rows || [], active = document.activeElement, held = box.contains(active) && active;
    if (!rows.length) { box.replaceChildren(make("p", "wb-note", "Nothing has run yet. Start an attack in Invert.")); return; }
    const table = make("table", "wb-table"), head = make("tr"), body = make("tbody"), top = make("thead");
    for (const [text, cls] of [["", "wb-thumb"], ["run", ""], ["state", ""], ["Acc@1", "num"], ["time", "num"], ["when", ""], ["", ""]]) { const cell = make(text ? "th" : "td", cls, text); if (text) cell.scope = "col"; head.append(cell); }
    top.append(head); body.append(...rows.map(line)); table.append(top, body);
    box.replaceChildren(table);
    if (!held) return;
    if (held.matches("input")) box.querySelector(".wb-input")?.focus();
    else [...box.querySelectorAll("details[open] :is(summary, button, a)")].find(e => e.textContent === held.textContent)?.focus();
  };
  watch("value", draw); draw();
  document.addEventListener("click", e => box.querySelectorAll("details[open]").forEach(d => { if (!e.composedPath().includes(d)) d.open = false; }));
};
})();

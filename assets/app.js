// Keyboard, help, theme, and the line that says what the machine is doing.
(() => {
const by = id => document.getElementById(id);
const typing = e => { const t = e.target; return t.isContentEditable || t.tagName === "TEXTAREA" || t.tagName === "SELECT" || (t.tagName === "INPUT" && !["range", "checkbox", "radio", "button"].includes(t.type)); };
const visible = e => e && e.offsetParent !== null;
const press = id => { const b = by(id); if (visible(b) && !b.disabled) { b.click(); return true; } return false; };

function help() { const box = by("wb-help-box"); box.open ? box.close() : box.showModal(); }

document.addEventListener("click", e => {
  const id = e.target.closest("button")?.id;
  if (id === "wb-help") help();
  if (id === "wb-theme") { const dark = document.body.classList.toggle("dark"); try { localStorage.setItem("wb-theme", dark ? "dark" : "light"); } catch { /* private window */ } }
});

document.addEventListener("keydown", e => {
  if (document.querySelector("dialog[open]")) { if (e.key === "?") help(); return; }
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { if (press("run-button")) e.preventDefault(); return; }
  if (typing(e) || e.ctrlKey || e.metaKey || e.altKey) return;
  const view = window.WB && window.WB.view, here = view && visible(view.root);
  if (e.key === "?") { help(); e.preventDefault(); }
  else if (!here) return;
  else if (e.key === "Escape") press("wb-stop");
  else if (e.key === ".") { if (press("wb-step")) e.preventDefault(); }
  else if (e.key === " " && e.target.tagName !== "BUTTON") { if (press("wb-pause")) e.preventDefault(); }
  else if (e.key === "End") { view.show_frame(null); }
  else if ((e.key === "ArrowLeft" || e.key === "ArrowRight") && e.target.type !== "range" && e.target.type !== "radio" && e.target.getAttribute("role") !== "tab") { view.by(e.key === "ArrowLeft" ? -1 : 1); e.preventDefault(); }
});

// Gradio shows no message of an event that does not queue, and ours do not: so it is taken from the answer.
const TOLD_MS = 12000;
function tell(title, text) {
  const box = by("wb-told") || document.body.appendChild(Object.assign(document.createElement("div"), {id: "wb-told"}));
  box.setAttribute("role", "alert");
  for (const old of box.children) if (old.dataset.text === text) old.remove();
  const note = document.createElement("div"), head = document.createElement("b"), close = document.createElement("button");
  note.dataset.text = text; note.dataset.testid = "told"; head.textContent = title;
  close.type = "button"; close.textContent = "×"; close.setAttribute("aria-label", "Close"); close.addEventListener("click", () => note.remove());
  note.append(head, close, Object.assign(document.createElement("p"), {textContent: text}));
  box.append(note); setTimeout(() => note.remove(), TOLD_MS);
}
const ask = window.fetch;
window.fetch = async (...what) => {
  const answer = await ask(...what);
  if (answer.status === 500 && String(what[0]?.url || what[0]).includes("/gradio_api/run/"))
    answer.clone().json().then(e => e.error && e.visible !== false && tell(e.title || "Error", e.error), () => {});
  return answer;
};

async function look() {
  const line = by("wb-device");
  if (line && !document.hidden) try {
    const s = await (await fetch("/wb/status")).json(), waiting = s.queued.length;
    const what = s.worker !== "ready" ? (s.worker === "starting" ? "starting" : s.worker) : s.running ? "running" : "ready";
    const device = s.device?.type === "cpu" ? `CPU, ${s.threads} thread${s.threads === 1 ? "" : "s"} · ` : s.device?.name ? `${s.device.name} · ` : "";
    line.textContent = `${device}${what}${waiting ? `, ${waiting} waiting` : ""}`;
    line.dataset.state = what;
  } catch { line.textContent = "The server does not answer"; line.dataset.state = "lost"; }
}
setInterval(look, 3000);

const settle = setInterval(() => {
  if (!by("wb-device")) return;
  clearInterval(settle); look();
  let kept = null; try { kept = localStorage.getItem("wb-theme"); } catch { /* private window */ }
  if (kept && !new URL(location.href).searchParams.has("__theme")) document.body.classList.toggle("dark", kept === "dark");
}, 100);
document.body.dataset.run = document.body.dataset.run || "none";
})();

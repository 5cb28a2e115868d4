"use strict";
const tip = document.getElementById("tip");
let trials = {};
let marked = null;
function arrange() {
  trials = JSON.parse(document.getElementById("trials").textContent);
  for (const choice of document.querySelectorAll(".choice")) {
    const tabs = document.createElement("div");
    tabs.className = "tabs";
    for (const panel of choice.querySelectorAll(":scope > .panel")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = panel.dataset.label;
      button.addEventListener("click", () => choose(choice, panel.dataset.label));
      tabs.append(button);
    }
    choice.prepend(tabs);
    choose(choice, tabs.firstChild?.textContent);
  }
}
function choose(choice, label) {
  const panels = [...choice.querySelectorAll(":scope > .panel")];
  panels.forEach((panel, index) => {
    panel.hidden = panel.dataset.label !== label;
    choice.querySelector(".tabs").children[index].setAttribute("aria-selected", String(!panel.hidden));
  });
}
function toggle(key, isOff) {
  for (const button of document.querySelectorAll(`.key button[data-key="${key}"]`)) {
    button.setAttribute("aria-pressed", String(!isOff));
  }
  for (const mark of document.querySelectorAll(`[data-p="${key}"]`)) mark.classList.toggle("off", isOff);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest(".key button");
  if (button) toggle(button.dataset.key, button.getAttribute("aria-pressed") !== "false");
});
/* Under which name the text of a mark is known: of its trial, or of its configuration's mean. */
function key(mark) {
  return (mark.closest("[data-mean]") ? "m" : "") + mark.dataset.t;
}
/* Say what is known of a mark beside a point of the window; of none, nothing. */
function tell(mark, x, y) {
  marked?.mark.classList.remove("marked");
  mark?.classList.add("marked");
  marked = mark && { mark, x, y };
  tip.hidden = !mark || !(key(mark) in trials);
  if (tip.hidden) return;
  tip.textContent = trials[key(mark)];
  const fits = x + tip.offsetWidth + 24 <= document.documentElement.clientWidth;
  tip.style.left = `${Math.max(0, x + scrollX + (fits ? 12 : -tip.offsetWidth - 12))}px`;
  tip.style.top = `${y + scrollY + 12}px`;
}
function middle(mark) {
  const box = mark.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}
/* The marks of a picture from left to right, one for each trial. */
function marks(picture, which) {
  const placed = [...picture.querySelectorAll(which)].filter((mark) => !mark.closest(".off")).map((mark) => [mark, ...middle(mark)]);
  placed.sort((one, other) => one[1] - other[1] || one[2] - other[2]);
  return [...new Map(placed.map(([mark]) => [key(mark), mark])).values()];
}
const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1 };
function walk(picture, pressed) {
  const isAlongFront = pressed === "ArrowUp" || pressed === "ArrowDown";
  const members = isAlongFront ? marks(picture, "[data-front] [data-t]") : [];
  const all = members.length ? members : marks(picture, "[data-t]");
  const known = marked?.mark.isConnected ? key(marked.mark) : null;
  const at = all.findIndex((mark) => key(mark) === known);
  const next = at < 0 ? all[0] : all[(at + STEPS[pressed] + all.length) % all.length];
  if (next) tell(next, ...middle(next));
}
document.addEventListener("mousemove", (event) => {
  const mark = event.target.closest("[data-t]");
  if (mark || !document.activeElement?.matches("svg[tabindex]")) tell(mark, event.clientX, event.clientY);
});
document.addEventListener("keydown", (event) => {
  const picture = event.target.closest("svg[tabindex]");
  if (!picture) return;
  if (event.key === "Escape") tell(null);
  else if (event.key === "Enter" && marked) marked.mark.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  else if (event.key in STEPS) walk(picture, event.key);
  else return;
  event.preventDefault();
});
window.addEventListener("resize", () => tell(null));
document.addEventListener("focusout", (event) => {
  if (event.target.closest("svg[tabindex]")) tell(null);
});
arrange();

"use strict";
const trials = JSON.parse(document.getElementById("trials").textContent);
const tip = document.getElementById("tip");
document.addEventListener("mousemove", (event) => {
  const mark = event.target.closest("[data-t]");
  tip.hidden = !mark || !(mark.dataset.t in trials);
  if (tip.hidden) return;
  tip.textContent = trials[mark.dataset.t];
  const right = event.clientX + tip.offsetWidth + 24 > document.documentElement.clientWidth;
  tip.style.left = `${event.pageX + (right ? -tip.offsetWidth - 12 : 12)}px`;
  tip.style.top = `${event.pageY + 12}px`;
});
for (const choice of document.querySelectorAll(".choice")) {
  const panels = [...choice.querySelectorAll(":scope > .panel")];
  const buttons = panels.map((panel) => {
    const button = document.createElement("button");
    button.textContent = panel.dataset.label;
    return button;
  });
  const show = (chosen) => panels.forEach((panel, index) => {
    panel.hidden = index !== chosen;
    buttons[index].setAttribute("aria-selected", String(index === chosen));
  });
  buttons.forEach((button, index) => button.addEventListener("click", () => show(index)));
  const tabs = document.createElement("div");
  tabs.className = "tabs";
  tabs.append(...buttons);
  choice.prepend(tabs);
  show(0);
}
for (const button of document.querySelectorAll(".key button")) {
  button.addEventListener("click", () => {
    const isOn = button.getAttribute("aria-pressed") !== "false";
    for (const other of document.querySelectorAll(`.key button[data-key="${button.dataset.key}"]`)) {
      other.setAttribute("aria-pressed", String(!isOn));
    }
    for (const mark of document.querySelectorAll(`[data-p="${button.dataset.key}"]`)) mark.classList.toggle("off", isOn);
  });
}

"use strict";
const tip = document.getElementById("tip");
let trials = {};
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
document.addEventListener("mousemove", (event) => {
  const mark = event.target.closest("[data-t]");
  tip.hidden = !mark || !(mark.dataset.t in trials);
  if (tip.hidden) return;
  tip.textContent = trials[mark.dataset.t];
  const right = event.clientX + tip.offsetWidth + 24 > document.documentElement.clientWidth;
  tip.style.left = `${event.pageX + (right ? -tip.offsetWidth - 12 : 12)}px`;
  tip.style.top = `${event.pageY + 12}px`;
});
arrange();

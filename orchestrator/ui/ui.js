"use strict";
const SECONDS_BETWEEN_LOOKS = 2;
const live = document.getElementById("live");
const filter = document.getElementById("filter");
let known = null;
let looks = 0;

/* What a reader has chosen in the live part, which the next update must not undo. */
function chosen() {
  const pressed = (selector, attribute) => [...live.querySelectorAll(selector)].map((each) => each.getAttribute(attribute));
  return {
    trials: [...live.querySelectorAll("input[name=trial]:checked")].map((box) => box.value),
    hidden: new Set(pressed('.key button[aria-pressed="false"]', "data-key")),
    tab: live.querySelector('.tabs [aria-selected="true"]')?.textContent,
  };
}
function show(html) {
  const before = chosen();
  live.innerHTML = html;
  if (document.getElementById("trials")) arrange();
  for (const box of live.querySelectorAll("input[name=trial]")) box.checked = before.trials.includes(box.value);
  for (const key of before.hidden) toggle(key, true);
  for (const choice of live.querySelectorAll(".choice")) {
    const labels = [...choice.querySelectorAll(":scope > .panel")].map((panel) => panel.dataset.label);
    if (labels.includes(before.tab)) choose(choice, before.tab);
  }
}
async function look() {
  const number = ++looks;
  try {
    const headers = known ? { "If-None-Match": known } : {};
    const answer = await fetch(live.dataset.from + location.search, { headers, cache: "no-store" });
    if (number !== looks) return;
    if (answer.ok) {
      show(await answer.text());
      known = answer.headers.get("ETag");
    }
    document.getElementById("lost").hidden = true;
  } catch {
    document.getElementById("lost").hidden = false;
  }
}
async function follow() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * SECONDS_BETWEEN_LOOKS));
    if (!document.hidden) await look();
  }
}
function filtered(event) {
  if (event.type === "submit") event.preventDefault();
  const query = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value));
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  known = null;
  look();
}
async function draw(details) {
  if (!details.open || details.dataset.drawn) return;
  details.dataset.drawn = "yes";
  const place = details.querySelector("div");
  place.textContent = "loading the network";
  const answer = await fetch(details.dataset.from, { cache: "no-store" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  place.replaceChildren(...(page.querySelector("main .answer") ? [page.querySelector("main .answer")] : page.body.childNodes));
}
document.addEventListener("click", (event) => {
  const mark = event.target.closest("[data-t]");
  const study = location.pathname.match(/^\/studies\/[^/]+/);
  if (mark && study && mark.dataset.t in trials) location.assign(`${study[0]}/trials/${mark.dataset.t}`);
});
if (live) follow();
if (filter) for (const kind of ["input", "submit"]) filter.addEventListener(kind, filtered);
for (const details of document.querySelectorAll("details.layers")) {
  details.addEventListener("toggle", () => draw(details));
  draw(details);
}

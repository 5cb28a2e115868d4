"use strict";
const SECONDS_BETWEEN_LOOKS = 2;
const live = document.getElementById("live");
const filter = document.getElementById("filter");
let known = null;
let looks = 0;

/* What a reader has chosen in the live part, which the next update must not undo. */
function chosen() {
  return {
    trials: [...live.querySelectorAll("input[name=trial]:checked")].map((box) => box.value),
    focus: [...live.querySelectorAll("svg[tabindex]")].indexOf(document.activeElement),
    told: marked && key(marked.mark),
    hidden: new Set([...live.querySelectorAll('.key button[aria-pressed="false"]')].map((button) => button.dataset.key)),
  };
}
function show(html) {
  const before = chosen();
  tell(null);
  live.innerHTML = html;
  trials = {};
  for (const box of live.querySelectorAll("input[name=trial]")) box.checked = before.trials.includes(box.value);
  for (const key of before.hidden) toggle(key, true);
  if (before.focus < 0) return;
  const picture = live.querySelectorAll("svg[tabindex]")[before.focus];
  picture?.focus({ preventScroll: true });
  const mark = picture && marks(picture, "[data-t]").find((mark) => key(mark) === before.told);
  if (mark) tell(mark, ...middle(mark));
}
/* What a page says that says one thing. */
function sentence(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return page.querySelector(".answer") ?? page.body;
}
async function look() {
  const number = ++looks;
  try {
    const headers = known ? { "If-None-Match": known } : {};
    const answer = await fetch(live.dataset.from + location.search, { headers, cache: "no-store" });
    if (number !== looks) return;
    known = answer.headers.get("ETag");
    if (answer.ok) show(await answer.text());
    else if (answer.status !== 304) show(sentence(await answer.text()).outerHTML);
    document.getElementById("lost").hidden = true;
  } catch {
    document.getElementById("lost").hidden = false;
  }
}
async function follow() {
  if (live.dataset.isEmpty) await look();
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
  if (answer.ok) place.innerHTML = await answer.text();
  else place.replaceChildren(sentence(await answer.text()));
}
function page(mark) {
  const study = location.pathname.match(/^\/studies\/[^/]+/);
  return mark && study && `${study[0]}/trials/${mark.dataset.t}`;
}
document.addEventListener("click", (event) => {
  const address = page(event.target.closest("[data-t]"));
  if (address) location.assign(address);
});
/* Ask for the text of a mark that nothing is known of, and tell it if the mark is still the one that is looked at. */
async function learn() {
  const mark = marked?.mark;
  if (!page(mark) || key(mark) in trials) return;
  const answer = await fetch(`${page(mark)}/${key(mark).startsWith("m") ? "mean" : "text"}`, { cache: "no-store" });
  if (answer.ok) trials[key(mark)] = await answer.text();
  if (marked?.mark === mark) tell(mark, marked.x, marked.y);
}
for (const kind of ["mousemove", "keydown"]) document.addEventListener(kind, learn);
if (live) follow();
if (filter) for (const kind of ["input", "submit"]) filter.addEventListener(kind, filtered);
for (const details of document.querySelectorAll("details.layers")) {
  details.addEventListener("toggle", () => draw(details));
  draw(details);
}

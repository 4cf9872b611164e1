// What makes pages livelier. Everything works without it.
"use strict";

// The page again, as the server alone makes it.
const again = async () => {
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
};

// Events appear as they happen: the page's own rows are asked for again.
const card = document.querySelector("[data-stream]");
if (card && window.EventSource) {
  const live = document.getElementById("live");
  const source = new EventSource(card.dataset.stream);
  let waiting = false;
  const refresh = async () => {
    waiting = false;
    const fresh = (await again())?.querySelector("[data-stream]");
    if (fresh) card.replaceChildren(...fresh.childNodes);
  };
  source.addEventListener("open", () => { live.hidden = false; });
  source.addEventListener("error", () => { live.hidden = true; });
  for (const name of ["vpatch", "missed"]) {
    source.addEventListener(name, () => {
      if (!waiting) { waiting = true; setTimeout(refresh, 400); }
    });
  }
  addEventListener("pagehide", () => source.close());
}

// What is under way is looked at again until it has ended.
const follow = async (part) => {
  const page = await again();
  const fresh = page?.getElementById(part.id);
  if (!fresh) return;
  if (fresh.dataset.refresh) {
    part.replaceChildren(...fresh.childNodes);
    setTimeout(follow, Number(fresh.dataset.refresh), part);
  } else {
    document.querySelector("main").replaceWith(page.querySelector("main"));
  }
};
for (const part of document.querySelectorAll("[data-refresh]")) {
  setTimeout(follow, Number(part.dataset.refresh), part);
}

// Many leaks at once: tick all, and see how many are ticked.
const bulk = document.getElementById("bulk");
if (bulk) {
  const all = document.getElementById("all");
  const boxes = [...bulk.querySelectorAll("tbody input[name=id]")];
  const told = document.getElementById("ticked");
  const count = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    told.textContent = ticked ? ` (${ticked})` : "";
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    count();
  });
  bulk.addEventListener("change", count);
  count();
}

// Where the navigation is wider than the screen, the place one is at is in sight.
const here = document.querySelector(".side nav a[aria-current]");
if (here) {
  const nav = here.closest("nav");
  nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
}

// Of a timeline that is wider than the screen, the last days come first.
for (const wide of document.querySelectorAll(".chart .scroll")) wide.scrollLeft = wide.scrollWidth;

// A report may be dropped.
const drop = document.getElementById("drop");
if (drop) {
  const file = drop.querySelector("input[type=file]");
  const told = document.getElementById("dropped");
  const name = () => { if (file.files.length) told.textContent = file.files[0].name; };
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) { file.files = event.dataTransfer.files; name(); }
  });
  file.addEventListener("change", name);
}

// What cannot be taken back is asked once more.
for (const button of document.querySelectorAll("button.alarming")) {
  button.addEventListener("click", (event) => {
    // Whoever has ticked that they are sure is not asked again.
    if (!button.form.elements.sure && !confirm(button.textContent + "?")) event.preventDefault();
  });
}

// What makes pages livelier. Everything works without it.
"use strict";

// Events appear as they happen: the page's own first rows are asked for again, so that the server
// alone decides what is shown and how.
const card = document.querySelector("[data-stream]");
if (card && window.EventSource) {
  const live = document.getElementById("live");
  const source = new EventSource(card.dataset.stream);
  let waiting = false;
  const refresh = async () => {
    waiting = false;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-stream]");
    if (fresh) card.replaceChildren(...fresh.childNodes);
  };
  source.addEventListener("open", () => { live.hidden = false; });
  source.addEventListener("error", () => { live.hidden = true; });
  for (const name of ["vpatch", "missed"]) {
    source.addEventListener(name, () => {
      if (!waiting) { waiting = true; setTimeout(refresh, 250); }
    });
  }
  addEventListener("pagehide", () => source.close());
}

// What cannot be taken back is asked once more.
for (const button of document.querySelectorAll("button.alarming")) {
  button.addEventListener("click", (event) => {
    if (!confirm(button.textContent + "?")) event.preventDefault();
  });
}

// "Nearest to me": the position is asked for by a press, goes with that one search and is kept nowhere.
import { announce } from "./dom.js";

// Some 100 m: enough to tell which place is nearer.
const DIGITS = 3;
const REFUSED = {
  1: "Your position was not allowed. Allow it in the browser's address bar, or choose a place under “Where to”.",
  2: "Your position could not be found here. Choose a place under “Where to”.",
  3: "Your position was not found in time. Try again under the open sky, or choose a place under “Where to”.",
};

for (const button of document.querySelectorAll("[data-near]")) {
  const form = button.form;
  const say = (words) => {
    form.querySelector("[data-near-message]").textContent = words;
    announce(words);
  };
  // Browsers give a position to secure pages only.
  button.hidden = !(window.isSecureContext && navigator.geolocation);
  button.addEventListener("click", () => {
    if (!form.reportValidity()) return;
    say("Finding where you are…");
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        const near = document.createElement("input");
        near.type = "hidden";
        near.name = "near";
        near.value = `${coords.latitude.toFixed(DIGITS)},${coords.longitude.toFixed(DIGITS)}`;
        form.append(near);
        form.requestSubmit();
        // Going back to this page must not send it again by itself.
        near.remove();
        say("");
      },
      (error) => say(REFUSED[error.code] ?? REFUSED[2]),
      { enableHighAccuracy: false, timeout: 15_000, maximumAge: 60_000 },
    );
  });
}

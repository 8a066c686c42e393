// The search box: Enter searches, Shift+Enter makes a line, "/" jumps to it, and a pasted list is counted.
import { fresh } from "./dom.js";

const MOST = 500;
// A longer list goes into the body: some servers on the way cut addresses at 4 to 8 kB.
const LONGEST_ADDRESS = 1500;

/** The numbers in a pasted text: one a line; in a single line, separated by tab, comma or semicolon. */
export function numbersIn(text) {
  return text.split(/[\r\n\t,;]+/).map((part) => part.trim()).filter(Boolean);
}

export function enhanceSearch(root) {
  for (const form of fresh(root, "form[data-search]", "Search")) {
    const box = form.querySelector("textarea");
    const count = form.querySelector("[data-search-count]");
    const update = () => {
      const many = numbersIn(box.value).length;
      form.classList.toggle("many", many > 1);
      count.textContent = many > MOST ? `${many} numbers, at most ${MOST}` : many > 1 ? `${many} numbers` : "";
      if (!CSS.supports("field-sizing", "content")) {
        box.style.height = "auto";
        box.style.height = `${Math.min(box.scrollHeight, 192)}px`;
      }
    };
    box.addEventListener("input", update);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      } else if (event.key === "Escape") {
        box.blur();
      }
    });
    form.addEventListener("submit", (event) => {
      if (!box.value.trim()) {
        event.preventDefault();
        box.focus();
      }
      form.method = box.value.length > LONGEST_ADDRESS ? "post" : "get";
    });
    update();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  const box = document.getElementById("search-box");
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
});

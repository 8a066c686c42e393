// Forms: a second press does nothing while the first is under way, and a refused form shows its errors first.
// The server does not rely on this: every form carries an idempotency key.
import { announce, fresh } from "./dom.js";

export function enhanceForms(root) {
  for (const form of fresh(root, "form[data-guard]", "Guard")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      const button = event.submitter;
      if (!button) return;
      // aria-disabled, not disabled: a disabled button's own name and value would not be sent.
      button.dataset.label = button.textContent;
      button.setAttribute("aria-disabled", "true");
      button.textContent = button.dataset.busy || "Working…";
      announce("Sending…");
    });
  }
  for (const box of fresh(root, "[data-focus]", "Focus")) box.focus();
}

// Coming back by the Back button restores the page as it was left: unlock it.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled][data-label]")) {
      button.removeAttribute("aria-disabled");
      button.textContent = button.dataset.label;
    }
  }
});

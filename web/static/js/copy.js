// Buttons that copy a number: [data-copy] holds it. Hidden in the HTML, shown only where copying works.
import { announce, fresh, icon } from "./dom.js";

export function enhanceCopy(root) {
  if (!navigator.clipboard) return;
  for (const button of fresh(root, "[data-copy]", "Copy")) {
    button.append(icon("copy"));
    button.hidden = false;
    button.addEventListener("click", async (event) => {
      event.stopPropagation();
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
      } catch {
        announce("Your browser did not allow copying.");
        return;
      }
      button.classList.add("copied");
      button.replaceChildren(icon("check"));
      announce(`Copied ${button.dataset.copy}`);
      setTimeout(() => {
        button.classList.remove("copied");
        button.replaceChildren(icon("copy"));
      }, 1500);
    });
  }
}
